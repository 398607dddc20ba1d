"""The arithmetic of every number of a trace as data: one expression for each tensor, its index left open."""
