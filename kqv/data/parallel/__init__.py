"""Parallel text, sentences and their translations: named sets and own files."""
