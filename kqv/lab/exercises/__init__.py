"""The rebuild exercises in a page: written, checked, explained, and trained with."""
