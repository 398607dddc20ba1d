"""The squared length of vectors: the sum of their squared numbers."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Power, Sum
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Float[Tensor, "*rows"], Saved]:
    """y = Σ x² = ‖x‖² over the last axis."""
    return (x * x).sum(-1), (x,)


def backward(saved: Saved, gradient: Float[Tensor, "*rows"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = 2·x·∂C/∂y."""
    (x,) = saved
    return (2 * x * gradient.unsqueeze(-1),)


def derive(call: Call, index: Index) -> Expression:
    return Sum(Power(call.x[*index, :], 2))


def derive_x(call: Call, index: Index) -> Expression:
    return 2.0 * call.x[index] * call.gradient[index[:-1]]


squared_length = Operation(
    name="squared_length",
    formula="y = Σ x² = ‖x‖², the sum over the last axis",
    gradients={"x": "∂C/∂x = 2·x·∂C/∂y"},
    dimensions={"x": "... in", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="‖q − k‖² = ‖q‖² − 2·q·k + ‖k‖²: the law of cosines (Euclid, Elements, II.12 and 13)",
    precision="full",
)
