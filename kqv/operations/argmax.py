"""The verdict: which class, or which token, has the largest number."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Argmax, Expression, Index
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Int[Tensor, "*rows"], Saved]:
    """The position of the largest number along the last axis, from 0; the first of several equal ones."""
    return x.argmax(-1), ()


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """None: a position does not change smoothly."""
    return (None,)


def derive(call: Call, index: Index) -> Expression:
    return Argmax(call.x[*index, :])


argmax = Operation(
    name="argmax",
    formula="y = the i with the largest x[i]",
    gradients={},
    dimensions={"x": "... in", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={},
    source="Nielsen, Neural Networks and Deep Learning, ch. 1: the answer is the neuron with the highest activation",
)
