"""Sigmoid: a soft step from 0 to 1, the textbook network's activation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, logistic
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = 1/(1 + exp(−x)); for x < 0 as exp(x)/(1 + exp(x)), so that exp never overflows."""
    small = (-x.abs()).exp()  # exp of minus the distance from 0: at most 1
    y = torch.where(x >= 0, 1.0, small) / (1 + small)
    return y, (y,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """σ′(x) = σ(x)·(1 − σ(x)), from the saved output."""
    (y,) = saved
    return (gradient * y * (1 - y),)


def kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    y = torch.sigmoid(x)
    return y, (y,)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.aten.sigmoid_backward(gradient, saved[0]),)


def derive(call: Call, index: Index) -> Expression:
    return logistic(call.x[index])


def derive_x(call: Call, index: Index) -> Expression:
    y = call.output[index]
    return call.gradient[index] * y * (1.0 - y)


sigmoid = Operation(
    name="sigmoid",
    formula="y = σ(x) = 1/(1 + exp(−x))",
    gradients={"x": "∂C/∂x = ∂C/∂y·σ′(x) = ∂C/∂y·y·(1 − y)"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Nielsen, Neural Networks and Deep Learning, ch. 1, eq. (3); its derivative: ch. 2, (BP1) and (BP2)",
)
