"""Views in a notebook: the lab's components in a cell's output, asking this kernel instead of a server."""
