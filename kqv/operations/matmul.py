"""Matrix product of two activations: queries with keys, attention weights with values."""

from __future__ import annotations

from torch import Tensor

from kqv.arithmetic import Expression, Index, Sum
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(a: Tensor, b: Tensor) -> tuple[Tensor, Saved]:
    return a @ b, (a, b)


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    a, b = saved
    return gradient @ b.mT, a.mT @ gradient


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    a, b = saved
    return gradient @ b.mT if needed[0] else None, a.mT @ gradient if needed[1] else None


def derive(call: Call, index: Index) -> Expression:
    *lead, row, column = index
    return Sum(call.a[*lead, row, :] * call.b[*lead, :, column])


def derive_a(call: Call, index: Index) -> Expression:
    *lead, row, inner = index
    return Sum(call.gradient[*lead, row, :] * call.b[*lead, inner, :])


def derive_b(call: Call, index: Index) -> Expression:
    *lead, inner, column = index
    return Sum(call.a[*lead, :, inner] * call.gradient[*lead, :, column])


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
)
