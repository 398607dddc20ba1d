"""Any number of any trace: the traces that a server keeps, their tensors, and the arithmetic of each cell."""
