"""Flip: the numbers of the last axis in the opposite order."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y[i] = x[n − 1 − i] for the n numbers of the last axis."""
    return x.flip(-1), ()


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x[i] = ∂C/∂y[n − 1 − i]: what was flipped is flipped back."""
    return (gradient.flip(-1),)


def _opposite(index: Index, size: int) -> Index:
    return (*index[:-1], size - 1 - index[-1])


def derive(call: Call, index: Index) -> Expression:
    return call.x[_opposite(index, call.x.shape[-1])]


def derive_x(call: Call, index: Index) -> Expression:
    return call.gradient[_opposite(index, call.x.shape[-1])]


flip = Operation(
    name="flip",
    formula="y[i] = x[n − 1 − i], n numbers in the last axis",
    gradients={"x": "∂C/∂x[i] = ∂C/∂y[n − 1 − i]"},
    dimensions={"x": "... in", "output": "... in"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Golub, Van Loan, Matrix Computations, section 1.2: the exchange permutation, which is its own inverse",
)
