"""Addition: two branches meet, as a block's input and its result do (residual connection)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index
from kqv.operations.broadcast import output_slice, position_in, unbroadcast, unbroadcast_sum
from kqv.operations.operation import Call, Operation, Saved


def forward(a: Float[Tensor, "*#axes"], b: Float[Tensor, "*#axes"]) -> tuple[Float[Tensor, "*output"], Saved]:
    """y = a + b at each position; an input that lacks axes, or has them with size 1, is repeated along them."""
    return a + b, (a.shape, b.shape)


def backward(saved: Saved, gradient: Float[Tensor, "*output"]) -> tuple[Tensor | None, ...]:
    """Both branches get the whole gradient, summed over the positions that the branch was repeated at."""
    a_shape, b_shape = saved
    return unbroadcast(gradient, a_shape), unbroadcast(gradient, b_shape)


def derive(call: Call, index: Index) -> Expression:
    return call.a[position_in(call.a.shape, index)] + call.b[position_in(call.b.shape, index)]


def derive_a(call: Call, index: Index) -> Expression:
    return unbroadcast_sum(call.gradient[output_slice(call.gradient.shape, call.a.shape, index)])


def derive_b(call: Call, index: Index) -> Expression:
    return unbroadcast_sum(call.gradient[output_slice(call.gradient.shape, call.b.shape, index)])


add = Operation(
    name="add",
    formula="y = a + b",
    gradients={
        "a": "∂C/∂a = ∂C/∂y, summed over the positions that a was repeated at",
        "b": "∂C/∂b = ∂C/∂y, summed over the positions that b was repeated at",
    },
    dimensions={"a": "...", "b": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"a": derive_a, "b": derive_b},
    source="He et al. 2015, Deep Residual Learning for Image Recognition, eq. (1): y = F(x) + x",
    repeated=("a", "b"),
)
