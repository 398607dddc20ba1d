"""Attention weights by a sigmoid: each key for itself, without competing with the others."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Position, below, fixed, greatest, logistic, number_of, those
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*rows in"]) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y[i] = σ(x[i] − log n), where n numbers of the row are not masked (−∞): as many keys as the query sees.

    So scores of 0 give weights of about 1/n, as softmax does. A masked one gets 0.
    """
    y = torch.sigmoid(x - seen(x).log())
    return y, (y,)


def seen(x: Tensor) -> Tensor:
    """How many numbers of each row are not masked, `[*rows, 1]`; 1 where all are, so that nothing divides by 0."""
    return (x > float("-inf")).sum(-1, keepdim=True).clamp(min=1).to(x.dtype)


def seen_in(call: Call, index: Index) -> Position:
    """The same for one row of a recorded call."""
    *row, _ = index
    seen = those(call.x.shape[-1], lambda at: below(float("-inf"), call.x.look((*row, at))))
    found: Position = greatest(1, number_of(seen))
    return found


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = ∂C/∂y·y·(1 − y), from the saved output."""
    (y,) = saved
    return (gradient * y * (1 - y),)


def _log(count: int) -> float:
    return math.log(max(1, count))


def derive(call: Call, index: Index) -> Expression:
    return logistic(call.x[index] - fixed(seen_in(call, index), call.x.shape[-1] + 1, _log))


def derive_x(call: Call, index: Index) -> Expression:
    y = call.output[index]
    return call.gradient[index] * y * (1.0 - y)


sigmoid_weights = Operation(
    name="sigmoid_weights",
    formula="y[i] = σ(x[i] − log n), n numbers of the row not masked",
    gradients={"x": "∂C/∂x = ∂C/∂y·y·(1 − y)"},
    dimensions={"x": "... in", "output": "... in"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Ramapuram et al. 2024, Theory, Analysis, and Best Practices for Sigmoid Self-Attention: bias −log n",
    precision="full",
)
