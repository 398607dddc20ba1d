"""Softmax: numbers become shares of one whole. Computed after subtracting the largest, so that exp cannot overflow."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.arithmetic import Constant, Expression, Index, Max, Named, Sum, exp
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(x: Tensor) -> tuple[Tensor, Saved]:
    largest = x.amax(-1, keepdim=True) if x.shape[-1] else x.sum(-1, keepdim=True)
    # a row where everything is masked has no largest number: subtract nothing, and give it no weight
    exponentials = (x - largest.masked_fill(largest == float("-inf"), 0.0)).exp()
    total = exponentials.sum(-1, keepdim=True)
    y = exponentials / total.masked_fill(total == 0, 1.0)
    return y, (y,)


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (y,) = saved
    return (y * (gradient - (gradient * y).sum(-1, keepdim=True)),)


def kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    y = torch.softmax(x, -1)
    # the kernel gives NaN exactly for the rows where everything is masked
    y = y.nan_to_num(0.0) if x.shape[-1] else y
    return y, (y,)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    (y,) = saved
    return (torch._softmax_backward_data(gradient, y, -1, y.dtype),)


def derive(call: Call, index: Index) -> Expression:
    *row, place = index
    scores = call.x[*row, :]
    largest = Named("max", Max(scores))
    if largest.value() == float("-inf"):
        return Constant(0.0)
    return exp(call.x[index] - largest) / Named("Σexp", Sum(exp(scores - largest)))


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
