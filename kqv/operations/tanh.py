"""Tanh: a soft step from −1 to 1; a sigmoid that is centred at zero."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index
from kqv.arithmetic import tanh as tangent
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = (exp(x) − exp(−x))/(exp(x) + exp(−x)), as a function of the framework, which does not overflow."""
    y = torch.tanh(x)
    return y, (y,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """tanh′(x) = 1 − tanh(x)² = (1 − y)·(1 + y), from the saved output; the product is exact where y nears ±1."""
    (y,) = saved
    return (gradient * ((1 - y) * (1 + y)),)


def derive(call: Call, index: Index) -> Expression:
    return tangent(call.x[index])


def derive_x(call: Call, index: Index) -> Expression:
    y = call.output[index]
    return call.gradient[index] * ((1.0 - y) * (1.0 + y))


tanh = Operation(
    name="tanh",
    formula="y = tanh(x) = (exp(x) − exp(−x))/(exp(x) + exp(−x))",
    gradients={"x": "∂C/∂x = ∂C/∂y·(1 − y²) = ∂C/∂y·(1 − y)·(1 + y)"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Nielsen, Neural Networks and Deep Learning, ch. 3, eq. (110); LeCun et al. 1998, Efficient BackProp",
)
