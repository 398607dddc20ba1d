"""Elementwise product: one branch opens and closes another (gates), or weighs it."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index
from kqv.operations.broadcast import output_slice, position_in, unbroadcast, unbroadcast_sum
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(a: Float[Tensor, "*#axes"], b: Float[Tensor, "*#axes"]) -> tuple[Float[Tensor, "*output"], Saved]:
    """y = a·b at each position; an input that lacks axes, or has them with size 1, is repeated along them."""
    return a * b, (a, b)


def backward(saved: Saved, gradient: Float[Tensor, "*output"]) -> tuple[Tensor | None, ...]:
    """∂C/∂a = ∂C/∂y·b and ∂C/∂b = ∂C/∂y·a, each summed over the positions that its input was repeated at."""
    a, b = saved
    return unbroadcast(gradient * b, a.shape), unbroadcast(gradient * a, b.shape)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    a, b = saved
    return (
        unbroadcast(gradient * b, a.shape) if needed[0] else None,
        unbroadcast(gradient * a, b.shape) if needed[1] else None,
    )


def derive(call: Call, index: Index) -> Expression:
    return call.a[position_in(call.a.shape, index)] * call.b[position_in(call.b.shape, index)]


def _derive_input(call: Call, own: str, other: str, index: Index) -> Expression:
    where = output_slice(call.gradient.shape, getattr(call, own).shape, index)
    factor = getattr(call, other)
    return unbroadcast_sum(call.gradient[where] * factor[position_in(factor.shape, where)])


def derive_a(call: Call, index: Index) -> Expression:
    return _derive_input(call, "a", "b", index)


def derive_b(call: Call, index: Index) -> Expression:
    return _derive_input(call, "b", "a", index)


multiply = Operation(
    name="multiply",
    formula="y = a·b",
    gradients={
        "a": "∂C/∂a = ∂C/∂y·b, summed over the positions that a was repeated at",
        "b": "∂C/∂b = ∂C/∂y·a, summed over the positions that b was repeated at",
    },
    dimensions={"a": "...", "b": "...", "output": "..."},
    forward=forward,
    backward=backward,
    kernel=Pair(forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"a": derive_a, "b": derive_b},
    source="Hochreiter, Schmidhuber 1997, Long Short-Term Memory, section 4: multiplicative gate units",
    repeated=("a", "b"),
)
