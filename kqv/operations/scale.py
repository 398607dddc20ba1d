"""Multiplication by a constant: 1/√channels before the softmax, 1/255 for a picture's bytes."""

from __future__ import annotations

from jaxtyping import Float, Num
from torch import Tensor

from kqv.arithmetic import Expression, Index
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Num[Tensor, "*axes"], *, factor: float) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = x·factor; whole numbers become floating-point ones."""
    return x * factor, (factor,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    (factor,) = saved
    return (gradient * factor,)


def derive(call: Call, index: Index) -> Expression:
    return call.x[index] * float(call.options["factor"])


def derive_x(call: Call, index: Index) -> Expression:
    return call.gradient[index] * float(call.options["factor"])


scale = Operation(
    name="scale",
    formula="y = x·factor",
    gradients={"x": "∂C/∂x = ∂C/∂y·factor"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Vaswani et al. 2017, Attention Is All You Need, eq. (1): the factor 1/√d_k",
)
