"""Squares: each number times itself, so that its sign no longer counts."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Power
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = x² at each position."""
    return x * x, (x,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = 2·x·∂C/∂y."""
    (x,) = saved
    return (2 * x * gradient,)


def derive(call: Call, index: Index) -> Expression:
    return Power(call.x[index], 2)


def derive_x(call: Call, index: Index) -> Expression:
    return 2.0 * call.x[index] * call.gradient[index]


square = Operation(
    name="square",
    formula="y = x²",
    gradients={"x": "∂C/∂x = 2·x·∂C/∂y"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="So et al. 2021, Primer: Searching for Efficient Transformers: squared ReLU; here of any number",
)
