"""Data: where it comes from, and how it becomes arrays. Imports no model code and no torch."""
