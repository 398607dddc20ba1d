"""ReLU: what is below zero becomes zero, the rest stays."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Choice, Constant, Expression, Index
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = max(0, x). The output is saved: it is above zero exactly where x is, and the next layer keeps it anyway."""
    y = x.clamp(min=0)
    return y, (y,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """The gradient passes where x > 0; at x = 0, where no derivative exists, it is taken as 0."""
    (y,) = saved
    return (gradient.masked_fill(y <= 0, 0.0),)


def kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    y = torch.relu(x)
    return y, (y,)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.aten.threshold_backward(gradient, saved[0], 0),)


def derive(call: Call, index: Index) -> Expression:
    x = call.x[index]
    return Choice(x, x, Constant(0.0))


def derive_x(call: Call, index: Index) -> Expression:
    return Choice(call.x[index], call.gradient[index], Constant(0.0))


relu = Operation(
    name="relu",
    formula="y = max(0, x)",
    gradients={"x": "∂C/∂x = ∂C/∂y where x > 0, else 0"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Nair, Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann Machines; Nielsen ch. 3, eq. (112)",
)
