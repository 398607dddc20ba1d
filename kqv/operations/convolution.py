"""Convolution: the same small weights look at every position of a picture, so a feature is found wherever it is."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Position, Sum, greatest, least, span
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved


def _check(x: Tensor, weight: Tensor, padding: int) -> None:
    """Raise `DimensionError` unless the kernel has a position in the padded picture."""
    if padding < 0:
        raise DimensionError(f"convolution: padding is {padding} for x{list(x.shape)}; expected 0 or more zeros a side")
    for name, size, kernel in zip(("row", "column"), x.shape[2:], weight.shape[2:], strict=True):
        padded = size + 2 * padding
        if not 1 <= kernel <= padded:
            raise DimensionError(
                f"convolution: 'kernel_{name}' is {kernel} in weight{list(weight.shape)} but {name!r} is {size} in "
                f"x{list(x.shape)}, {padded} with padding {padding}; expected a kernel from 1 to that size: take a "
                "smaller one, or more padding"
            )


def _patches(x: Tensor, weight: Tensor, padding: int) -> Float[Tensor, "batch out_row out_column patch"]:
    """What the kernel sees at each of its positions, in one row: patch = in·kernel_row·kernel_column numbers."""
    padded = torch.nn.functional.pad(x, [padding] * 4)
    seen = padded.unfold(2, weight.shape[2], 1).unfold(3, weight.shape[3], 1)
    return seen.permute(0, 2, 3, 1, 4, 5).flatten(3)


def forward(
    x: Float[Tensor, "batch in row column"],
    weight: Float[Tensor, "out in kernel_row kernel_column"],
    bias: Float[Tensor, " out"] | None = None,
    *,
    padding: int = 0,
) -> tuple[Float[Tensor, "batch out out_row out_column"], Saved]:
    """z = patch·Wᵀ + b for each patch of x, the kernel moving on by 1; `padding` zeros stand around the picture.

    out_row = row + 2·padding − kernel_row + 1, and so the columns. The kernel is not turned round (in mathematics, this
    is cross-correlation). Raises `DimensionError` for a kernel larger than the padded picture.
    """
    _check(x, weight, padding)
    z = _patches(x, weight, padding) @ weight.flatten(1).T
    return (z if bias is None else z + bias).movedim(3, 1), (x, weight, bias is not None, padding)


def backward(saved: Saved, gradient: Float[Tensor, "batch out out_row out_column"]) -> tuple[Tensor | None, ...]:
    """That of a linear map of patches; then each number of a patch gives its gradient back to where it came from."""
    x, weight, has_bias, padding = saved
    out, _, kernel_rows, kernel_columns = weight.shape
    batch, channels, rows, columns = x.shape
    out_rows, out_columns = gradient.shape[2:]
    positions = gradient.movedim(1, 3).reshape(-1, out)
    gradient_weight = positions.T @ _patches(x, weight, padding).flatten(0, 2)
    patches = positions @ weight.flatten(1)
    patches = patches.reshape(batch, out_rows, out_columns, channels, kernel_rows, kernel_columns)
    padded = x.new_zeros(batch, channels, rows + 2 * padding, columns + 2 * padding)
    for row in range(kernel_rows):
        for column in range(kernel_columns):
            seen = padded[:, :, row : row + out_rows, column : column + out_columns]
            seen += patches[..., row, column].movedim(3, 1)
    gradient_x = padded[:, :, padding : padding + rows, padding : padding + columns]
    return gradient_x, gradient_weight.reshape(weight.shape), positions.sum(0) if has_bias else None


def kernel_forward(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, padding: int = 0) -> tuple[Tensor, Saved]:
    _check(x, weight, padding)
    return torch.nn.functional.conv2d(x, weight, bias, padding=padding), (x, weight, bias is not None, padding)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    x, weight, has_bias, padding = saved
    wanted = [needed[0], needed[1], has_bias and needed[2]]
    gradients = torch.ops.aten.convolution_backward(
        gradient, x, weight, [len(weight)], [1, 1], [padding, padding], [1, 1], False, [0, 0], 1, wanted
    )
    # asked for the bias's alone, some of the framework's kernels give the weight's too
    return tuple(found if wants else None for found, wants in zip(gradients, wanted, strict=True))


def _met(count: int, start: Position, size: int, step: Literal[1, -1] = 1) -> tuple[Any, Any]:
    """The i of 0, 1, …, count − 1 whose position start + step·i lies on an axis of this size, and these positions."""
    first, end = (0 - start, size - start) if step > 0 else (start - size + 1, start + 1)
    numbers = span(greatest(0, first), least(count, end), count)
    return numbers, start + step * numbers


def derive(call: Call, index: Index) -> Expression:
    batch, out, row, column = index
    padding = int(call.options["padding"])
    kernel_rows, rows = _met(call.weight.shape[2], row - padding, call.x.shape[2])
    kernel_columns, columns = _met(call.weight.shape[3], column - padding, call.x.shape[3])
    total = Sum(call.x[batch, :, rows, columns] * call.weight[out, :, kernel_rows, kernel_columns])
    return total + call.bias[out] if call.given("bias") else total


def derive_x(call: Call, index: Index) -> Expression:
    batch, position, row, column = index
    padding = int(call.options["padding"])
    kernel_rows, rows = _met(call.weight.shape[2], row + padding, call.gradient.shape[2], step=-1)
    kernel_columns, columns = _met(call.weight.shape[3], column + padding, call.gradient.shape[3], step=-1)
    return Sum(call.gradient[batch, :, rows, columns] * call.weight[:, position, kernel_rows, kernel_columns])


def derive_weight(call: Call, index: Index) -> Expression:
    out, position, kernel_row, kernel_column = index
    padding = int(call.options["padding"])
    out_rows, rows = _met(call.gradient.shape[2], kernel_row - padding, call.x.shape[2])
    out_columns, columns = _met(call.gradient.shape[3], kernel_column - padding, call.x.shape[3])
    return Sum(call.gradient[:, out, out_rows, out_columns] * call.x[:, position, rows, columns])


def derive_bias(call: Call, index: Index) -> Expression:
    return Sum(call.gradient[:, index[0], :, :])


convolution = Operation(
    name="convolution",
    formula=(
        "z[out,out_row,out_column] = Σ_in Σ_kernel_row Σ_kernel_column x[in,row,column]·W[out,in,kernel_row,"
        "kernel_column] + b[out], row = out_row + kernel_row − padding, column likewise; x = 0 outside the picture"
    ),
    gradients={
        "x": (
            "∂C/∂x[in,row,column] = Σ_out Σ_kernel_row Σ_kernel_column ∂C/∂z[out,out_row,out_column]·W[out,in,"
            "kernel_row,kernel_column], out_row = row − kernel_row + padding, column likewise"
        ),
        "weight": (
            "∂C/∂W[out,in,kernel_row,kernel_column] = Σ_batch Σ_out_row Σ_out_column ∂C/∂z[batch,out,out_row,"
            "out_column]·x[batch,in,row,column], row = out_row + kernel_row − padding, column likewise"
        ),
        "bias": "∂C/∂b[out] = Σ_batch Σ_out_row Σ_out_column ∂C/∂z[batch,out,out_row,out_column]",
    },
    dimensions={
        "x": "batch in row column",
        "weight": "out in kernel_row kernel_column",
        "bias": "out",
        "output": "batch out out_row out_column",
    },
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"x": derive_x, "weight": derive_weight, "bias": derive_bias},
    source=(
        "Nielsen, Neural Networks and Deep Learning, ch. 6, eq. (125); LeCun et al. 1998, Gradient-Based Learning "
        "Applied to Document Recognition, section II"
    ),
    precision="lower",
)
