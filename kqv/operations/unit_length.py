"""Unit length: a vector keeps its direction and gets length 1, so that dot products become cosines."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Named, Power, Sum, sqrt
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*rows in"], *, epsilon: float = 1e-6) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y = x/√(Σx² + ε), the sum over the last axis; ε keeps a vector of zeros at zero."""
    inverse = ((x * x).sum(-1, keepdim=True) + epsilon).rsqrt()  # 1/√(Σx² + ε), [*rows, 1]
    y = x * inverse
    return y, (y, inverse)


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = (∂C/∂y − y·Σ(∂C/∂y·y))/√(Σx² + ε): what points along the vector changes nothing but its length."""
    y, inverse = saved
    return ((gradient - y * (gradient * y).sum(-1, keepdim=True)) * inverse,)


def _length(call: Call, index: Index) -> Expression:
    *row, _ = index
    return Named("√(Σx²+ε)", sqrt(Sum(Power(call.x[*row, :], 2)) + float(call.options["epsilon"])))


def derive(call: Call, index: Index) -> Expression:
    return call.x[index] / _length(call, index)


def derive_x(call: Call, index: Index) -> Expression:
    *row, _ = index
    length = _length(call, index)
    along = Named("Σ(∂C/∂y·y)", Sum(call.gradient[*row, :] * (call.x[*row, :] / length)))
    return (call.gradient[index] - call.x[index] / length * along) / length


unit_length = Operation(
    name="unit_length",
    formula="y = x/√(Σx² + ε), the sum over the last axis",
    gradients={"x": "∂C/∂x = (∂C/∂y − y·Σ(∂C/∂y·y))/√(Σx² + ε)"},
    dimensions={"x": "... in", "output": "... in"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Henry et al. 2020, Query-Key Normalization for Transformers: ℓ2 normalisation of q and k",
    precision="full",
)
