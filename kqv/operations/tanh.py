"""Tanh: a soft step from −1 to 1; a sigmoid that is centred at zero."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Power
from kqv.arithmetic import tanh as tangent
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = (exp(x) − exp(−x))/(exp(x) + exp(−x)), as a function of the framework, which does not overflow."""
    y = torch.tanh(x)
    return y, (y,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """tanh′(x) = 1 − tanh(x)², from the saved output."""
    (y,) = saved
    return (gradient * (1 - y * y),)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.aten.tanh_backward(gradient, saved[0]),)


def derive(call: Call, index: Index) -> Expression:
    return tangent(call.x[index])


def derive_x(call: Call, index: Index) -> Expression:
    return call.gradient[index] * (1.0 - Power(call.output[index], 2))


tanh = Operation(
    name="tanh",
    formula="y = tanh(x) = (exp(x) − exp(−x))/(exp(x) + exp(−x))",
    gradients={"x": "∂C/∂x = ∂C/∂y·(1 − y²)"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    kernel=Pair(forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Nielsen, Neural Networks and Deep Learning, ch. 3, eq. (110); LeCun et al. 1998, Efficient BackProp",
)
