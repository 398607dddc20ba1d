"""Matrix product of two activations: queries with keys, attention weights with values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Operand, Sum
from kqv.operations.broadcast import output_slice, position_in, unbroadcast
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    a: Float[Tensor, "*#lead row inner"], b: Float[Tensor, "*#lead inner column"]
) -> tuple[Float[Tensor, "*leads row column"], Saved]:
    """y[row,column] = Σ_inner a[row,inner]·b[inner,column]; leading axes that one side lacks are repeated."""
    return a @ b, (a, b)


def backward(saved: Saved, gradient: Float[Tensor, "*leads row column"]) -> tuple[Tensor | None, ...]:
    """∂C/∂a = ∂C/∂y·bᵀ and ∂C/∂b = aᵀ·∂C/∂y, each summed over the positions that its input was repeated at."""
    a, b = saved
    return unbroadcast(gradient @ b.mT, a.shape), unbroadcast(a.mT @ gradient, b.shape)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    a, b = saved
    return (
        unbroadcast(gradient @ b.mT, a.shape) if needed[0] else None,
        unbroadcast(a.mT @ gradient, b.shape) if needed[1] else None,
    )


def derive(call: Call, index: Index) -> Expression:
    *lead, row, column = index
    a, b = call.a[*_lead(call.a, lead), row, :], call.b[*_lead(call.b, lead), :, column]
    return Sum(a * b)


def _lead(operand: Operand, lead: Sequence[Any]) -> tuple[Any, ...]:
    """Leading positions (or slices) of the output as those of an input that may be repeated."""
    return position_in(operand.shape[:-2], tuple(lead))


def _uses(call: Call, operand: Operand, lead: Sequence[Any]) -> tuple[Any, ...]:
    """Leading positions of the output that an input's leading positions `lead` were repeated to."""
    return output_slice(call.gradient.shape[:-2], operand.shape[:-2], tuple(lead))


def derive_a(call: Call, index: Index) -> Expression:
    *lead, row, inner = index
    uses = _uses(call, call.a, lead)
    return Sum(call.gradient[*uses, row, :] * call.b[*_lead(call.b, uses), inner, :])


def derive_b(call: Call, index: Index) -> Expression:
    *lead, inner, column = index
    uses = _uses(call, call.b, lead)
    return Sum(call.a[*_lead(call.a, uses), :, inner] * call.gradient[*uses, :, column])


matmul = Operation(
    name="matmul",
    formula="y[row,column] = Σ_inner a[row,inner]·b[inner,column]",
    gradients={
        "a": "∂C/∂a[row,inner] = Σ_column ∂C/∂y[row,column]·b[inner,column]",
        "b": "∂C/∂b[inner,column] = Σ_row a[row,inner]·∂C/∂y[row,column]",
    },
    dimensions={"a": "... row inner", "b": "... inner column", "output": "... row column"},
    forward=forward,
    backward=backward,
    kernel=Pair(forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"a": derive_a, "b": derive_b},
    source="Vaswani et al. 2017, Attention Is All You Need, eq. (1): Q Kᵀ and softmax(·) V",
    precision="lower",
    repeated=("a", "b"),
)
