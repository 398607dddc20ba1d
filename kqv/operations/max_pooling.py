"""Max-pooling: of each small window of a picture only the largest number is kept; where exactly it was is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import (
    Choice,
    Constant,
    Expression,
    Index,
    Max,
    below,
    both,
    equals,
    is_nan,
    negated,
    same,
    span,
    when,
)
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved


def _check(x: Tensor, size: int) -> None:
    """Raise `DimensionError` unless a window has a position in the picture."""
    if not 1 <= size <= min(x.shape[2:]):
        raise DimensionError(
            f"max_pooling: windows of {size}×{size} do not fit into x{list(x.shape)}, x[batch, in, row, column]; "
            f"expected a size from 1 to {min(x.shape[2:])}"
        )


def _out_shape(shape: torch.Size, size: int) -> tuple[int, int, int, int]:
    batch, channels, rows, columns = shape
    return batch, channels, rows // size, columns // size


def forward(
    x: Float[Tensor, "batch in row column"], *, size: int = 2
) -> tuple[Float[Tensor, "batch in out_row out_column"], Saved]:
    """y = the largest number of each window of size×size; the windows stand side by side, from the upper left corner.

    out_row = ⌊row/size⌋, and so the columns: what is left over at the lower and right edge is ignored. A NaN counts as
    larger than everything. Raises `DimensionError` for a window larger than the picture.
    """
    _check(x, size)
    batch, channels, out_rows, out_columns = _out_shape(x.shape, size)
    covered = x[:, :, : out_rows * size, : out_columns * size]
    windows = covered.reshape(batch, channels, out_rows, size, out_columns, size)
    windows = windows.movedim(3, 4).flatten(4)  # batch in out_row out_column window
    largest, chosen = windows[..., 0].clone(), torch.zeros_like(windows[..., 0], dtype=torch.int64)
    for position in range(1, size * size):
        takes = (windows[..., position] > largest) | windows[..., position].isnan()
        largest = torch.where(takes, windows[..., position], largest)
        chosen = chosen.masked_fill(takes, position)
    return largest, (chosen, x.shape, size)


def backward(saved: Saved, gradient: Float[Tensor, "batch in out_row out_column"]) -> tuple[Tensor | None, ...]:
    """The gradient goes to the number that was chosen, of several equal ones the first; all others get 0."""
    chosen, shape, size = saved
    batch, channels, out_rows, out_columns = _out_shape(shape, size)
    windows = gradient.new_zeros(*gradient.shape, size * size)
    windows.scatter_(4, chosen.unsqueeze(4), gradient.unsqueeze(4))
    windows = windows.reshape(batch, channels, out_rows, out_columns, size, size).movedim(4, 3)
    gradient_x = gradient.new_zeros(shape)
    covered = gradient_x[:, :, : out_rows * size, : out_columns * size]
    covered.copy_(windows.reshape(covered.shape))
    return (gradient_x,)


def kernel_forward(x: Tensor, *, size: int = 2) -> tuple[Tensor, Saved]:
    _check(x, size)
    y, chosen = torch.ops.aten.max_pool2d_with_indices(x, [size, size])
    return y, (x, chosen, size)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, chosen, size = saved
    window, none, every = [size, size], [0, 0], [1, 1]
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    return (backward(gradient, x, window, window, none, every, False, chosen),)


def derive(call: Call, index: Index) -> Expression:
    batch, position, row, column = index
    size = int(call.options["size"])
    return Max(call.x[batch, position, row * size + np.arange(size), column * size + np.arange(size)])


def derive_x(call: Call, index: Index) -> Expression:
    batch, channel, row, column = index
    size = int(call.options["size"])
    out_row, out_column, own = row // size, column // size, row % size * size + column % size

    def window(first: Any, end: Any) -> Expression:
        """The numbers of the window from one position in it to another, row by row."""
        at = span(first, end, size * size)
        return call.x.pick(batch, channel, out_row * size + at // size, out_column * size + at % size)

    def known() -> Expression:
        x, most = call.x[index], Max(window(0, size * size))
        gradient = call.gradient[batch, channel, out_row, out_column]
        # of several NaN, which overtake everything, the last is chosen, else the first of the largest
        later = when(same(own, size * size - 1), 0.0, lambda: Max(window(own + 1, size * size)))
        of_unknown = when(both(is_nan(x), lambda: negated(is_nan(later))), gradient, 0.0)
        equal_before = both(below(0, own), lambda: equals(x, Max(window(0, own))), lambda: equals(x, most))
        first = Choice(most - x, Constant(0.0), gradient)
        of_known = when(equal_before, lambda: Choice(x - Max(window(0, own)), gradient, Constant(0.0)), first)
        return when(is_nan(most), of_unknown, of_known)

    inside = both(below(out_row, call.gradient.shape[2]), below(out_column, call.gradient.shape[3]))
    return when(inside, known, 0.0)


max_pooling = Operation(
    name="max_pooling",
    formula=(
        "y[in,out_row,out_column] = max x[in,row,column], over row = size·out_row, …, size·out_row + size − 1, column "
        "likewise"
    ),
    gradients={
        "x": (
            "∂C/∂x[in,row,column] = ∂C/∂y[in,⌊row/size⌋,⌊column/size⌋] where x is the first of the largest in its "
            "window, else 0"
        )
    },
    dimensions={"x": "batch in row column", "output": "batch in out_row out_column"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source=(
        "Nielsen, Neural Networks and Deep Learning, ch. 6, pooling layers; Zhou, Chellappa 1988, Computation of "
        "Optical Flow Using a Neural Network"
    ),
)
