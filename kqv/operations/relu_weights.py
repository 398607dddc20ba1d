"""Attention weights by ReLU: keys that fit badly get nothing, and the others as much as their score."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Choice, Constant, Expression, Index, fixed
from kqv.operations.operation import Call, Operation, Saved
from kqv.operations.sigmoid_weights import seen, seen_in


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y[i] = max(0, x[i])/n, where n numbers of the row are not masked (−∞): as many keys as the query sees."""
    count = seen(x)
    y = x.clamp(min=0) / count
    return y, (y, count)


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = ∂C/∂y/n where x > 0, else 0."""
    y, count = saved
    return ((gradient / count).masked_fill(y <= 0, 0.0),)


def derive(call: Call, index: Index) -> Expression:
    x = call.x[index]
    return Choice(x, x / fixed(seen_in(call, index)), Constant(0.0))


def derive_x(call: Call, index: Index) -> Expression:
    return Choice(call.x[index], call.gradient[index] / fixed(seen_in(call, index)), Constant(0.0))


relu_weights = Operation(
    name="relu_weights",
    formula="y[i] = max(0, x[i])/n, n numbers of the row not masked",
    gradients={"x": "∂C/∂x = ∂C/∂y/n where x > 0, else 0"},
    dimensions={"x": "... in", "output": "... in"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Wortsman et al. 2023, Replacing Softmax with ReLU in Vision Transformers: divided by the sequence length",
    precision="full",
)
