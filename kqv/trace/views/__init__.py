"""Showing a trace: as text, as a table, in a notebook, as JSON with safetensors, as one page of HTML."""
