"""Figures, written to PNG, SVG or PDF files."""
