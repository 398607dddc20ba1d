"""The tensors of any model by their named dimensions, before it has weights."""
