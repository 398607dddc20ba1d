"""Softmax with one more term, which nobody gets: weights may all be small, where no key fits."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Choice, Constant, Expression, Index, Max, Named, Sum, exp
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y[i] = exp(x[i]) / (1 + Σ_j exp(x[j])) in each row: a softmax over one more number, which is 0.

    Computed with the largest number, or 0 where that is larger, subtracted from all of them, so that exp cannot
    overflow. Zeros where all is masked (−∞).
    """
    if x.shape[-1] == 0:
        return x, (x,)
    largest = x.amax(-1, keepdim=True).clamp(min=0)
    exponentials = (x - largest).exp()
    y = exponentials / ((-largest).exp() + exponentials.sum(-1, keepdim=True))
    return y, (y,)


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x[i] = y[i]·(∂C/∂y[i] − Σ_j ∂C/∂y[j]·y[j]), as of softmax: the term that nobody gets has no gradient."""
    (y,) = saved
    return (y * (gradient - (gradient * y).sum(-1, keepdim=True)),)


def derive(call: Call, index: Index) -> Expression:
    *row, _ = index
    scores = call.x[*row, :]
    most = Max(scores)
    largest = Named("max(0, max)", Choice(most, most, Constant(0.0)))
    total = exp(-largest) + Named("Σexp", Sum(exp(scores - largest)))
    return exp(call.x[index] - largest) / total


def derive_x(call: Call, index: Index) -> Expression:
    *row, _ = index
    y, gradient = call.output[*row, :], call.gradient[*row, :]
    return call.output[index] * (call.gradient[index] - Named("Σ(∂C/∂y·y)", Sum(gradient * y)))


softmax1 = Operation(
    name="softmax1",
    formula="y[i] = exp(x[i]) / (1 + Σ_j exp(x[j]))",
    gradients={"x": "∂C/∂x[i] = y[i]·(∂C/∂y[i] − Σ_j ∂C/∂y[j]·y[j])"},
    dimensions={"x": "... in", "output": "... in"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Miller 2023, Attention Is Off By One; Xiao et al. 2024, Efficient Streaming Language Models, section 3.3",
    precision="full",
)
