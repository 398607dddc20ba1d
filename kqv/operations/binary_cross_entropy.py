"""The cross-entropy cost of sigmoid outputs, from their weighted inputs: each output answers yes or no for itself."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Choice, Expression, Function, Index, Sum, equals, exp, log1p, logistic, when
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved
from kqv.operations.sigmoid import sigmoid


def forward(z: Float[Tensor, "*outputs"], y: Float[Tensor, "*wanted"]) -> tuple[Float[Tensor, ""], Saved]:
    """C = −1/n·Σ_x Σ_j [y·ln σ(z) + (1 − y)·ln(1 − σ(z))] over the n examples x, the rows of `z`; 0 if there are none.

    Summed as ln(1 + exp(−|z|)) + (1 − y)·z where z > 0, else − y·z, which is the same and loses nothing where σ(z)
    rounds to 0 or 1.
    Raises `DimensionError` for inputs of different shapes: broadcast, they would give a cost of something else.
    """
    if z.shape != y.shape:
        raise DimensionError(
            f"binary_cross_entropy: z{list(z.shape)} and y{list(y.shape)} have different shapes; "
            "expected both as [..., out]"
        )
    count = max(1, math.prod(z.shape[:-1]))
    costs = torch.where(z > 0, 1 - y, -y) * z + (-z.abs()).exp().log1p()
    return costs.sum() / count, (z, y, count)


def backward(saved: Saved, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
    """∂C/∂z = (σ(z) − y)/n, in which no σ′(z) slows the learning down; ∂C/∂y = −z/n."""
    z, y, count = saved
    a, _ = sigmoid.forward(z)
    b, _ = sigmoid.forward(-z)  # 1 − a, with all its digits where a is nearly 1
    return ((1 - y) * a - y * b) * (gradient / count), -z * (gradient / count)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    z, y, count = saved
    share = gradient / count
    gradient_z = ((1 - y) * torch.sigmoid(z)).sub_(y * torch.sigmoid(-z)).mul_(share) if needed[0] else None
    return gradient_z, -z * share if needed[1] else None


def _count(call: Call) -> float:
    return float(max(1, math.prod(call.z.shape[:-1])))


def derive(call: Call, index: Index) -> Expression:
    z, y = call.z[...], call.y[...]
    return Sum(Choice(z, (1 - y) * z, -y * z) + log1p(exp(-Function("|·|", z)))) / _count(call)


def derive_z(call: Call, index: Index) -> Expression:
    z, y = call.z[index], call.y[index]
    difference: Expression = (1 - y) * logistic(z) - y * logistic(-z)
    # of 0 and 1 one of the two is nothing
    difference = when(equals(y, 0), logistic(z), when(equals(y, 1), -logistic(-z), difference))
    return call.gradient[()] * difference / _count(call)


def derive_y(call: Call, index: Index) -> Expression:
    return call.gradient[()] * -call.z[index] / _count(call)


binary_cross_entropy = Operation(
    name="binary_cross_entropy",
    formula="C = −1/n·Σ_x Σ_out [y·ln σ(z) + (1 − y)·ln(1 − σ(z))], over the n examples x",
    gradients={"z": "∂C/∂z = (σ(z) − y)/n·∂C/∂C, σ(z) − y = (1 − y)·σ(z) − y·σ(−z)", "y": "∂C/∂y = −z/n·∂C/∂C"},
    dimensions={"z": "... out", "y": "... out", "output": ""},
    forward=forward,
    backward=backward,
    kernel=Pair(forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"z": derive_z, "y": derive_y},
    source="Nielsen, Neural Networks and Deep Learning, ch. 3, eq. (63)",
    precision="full",
)
