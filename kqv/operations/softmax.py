"""Softmax: numbers become probabilities. Computed after subtracting the largest, so that exp cannot overflow."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Max, Named, Sum, equals, exp, when
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y[i] = exp(x[i] − max) / Σ_j exp(x[j] − max) in each row; zeros for a row where everything is masked (−∞)."""
    if x.shape[-1] == 0:
        return x, (x,)
    largest = x.amax(-1, keepdim=True)
    # a row where everything is masked has no largest number: subtract nothing, and give it no weight
    exponentials = (x - largest.masked_fill(largest == float("-inf"), 0.0)).exp()
    total = exponentials.sum(-1, keepdim=True)
    y = exponentials / total.masked_fill(total == 0, 1.0)
    return y, (y,)


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x[i] = y[i]·(∂C/∂y[i] − Σ_j ∂C/∂y[j]·y[j]): more for one position is less for all others."""
    (y,) = saved
    return (y * (gradient - (gradient * y).sum(-1, keepdim=True)),)


def kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    y = _without_empty_rows(torch.softmax(x, -1), x) if x.numel() else torch.softmax(x, -1)
    return y, (y,)


def _without_empty_rows(y: Tensor, x: Tensor) -> Tensor:
    """Zeros in place of the kernel's NaN in rows that are all −∞; NaN that came with the input stays."""
    empty = x.amax(-1, keepdim=True) == float("-inf")
    if y.device.type == "cpu" and not torch.compiler.is_compiling() and not empty.any():
        return y  # looking is cheaper here than filling; elsewhere it would make the processor wait
    return y.masked_fill(empty, 0.0)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (y,) = saved
    return (torch._softmax_backward_data(gradient, y, -1, y.dtype),)


def derive(call: Call, index: Index) -> Expression:
    *row, _ = index
    scores = call.x[*row, :]
    largest = Named("max", Max(scores))
    weight = exp(call.x[index] - largest) / Named("Σexp", Sum(exp(scores - largest)))
    return when(equals(largest, float("-inf")), 0.0, weight)


def derive_x(call: Call, index: Index) -> Expression:
    *row, _ = index
    y, gradient = call.output[*row, :], call.gradient[*row, :]
    return call.output[index] * (call.gradient[index] - Named("Σ(∂C/∂y·y)", Sum(gradient * y)))


softmax = Operation(
    name="softmax",
    formula="y[i] = exp(x[i] − max) / Σ_j exp(x[j] − max)",
    gradients={"x": "∂C/∂x[i] = y[i]·(∂C/∂y[i] − Σ_j ∂C/∂y[j]·y[j])"},
    dimensions={"x": "... in", "output": "... in"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Bridle 1990; Goodfellow, Bengio, Courville, Deep Learning, eq. (6.29)",
    precision="full",
)
