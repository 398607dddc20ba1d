"""Names, dimensions, values, gradients and arithmetic of everything that a pass computes."""
