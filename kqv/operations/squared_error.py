"""The quadratic cost: half the squared distance between what the network says and what is wanted."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Power, Sum
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(a: Float[Tensor, "*outputs"], y: Float[Tensor, "*wanted"]) -> tuple[Float[Tensor, ""], Saved]:
    """C = 1/(2n)·Σ_x ‖y(x) − a‖² over the n examples x, the rows of `a`; 0 where there are none.

    Raises `DimensionError` for inputs of different shapes: broadcast, they would give a cost of something else.
    """
    if a.shape != y.shape:
        raise DimensionError(
            f"squared_error: a{list(a.shape)} and y{list(y.shape)} have different shapes; expected both as [..., out]"
        )
    count = max(1, math.prod(a.shape[:-1]))
    distance = a - y
    return distance.square().sum() / (2 * count), (distance, count)


def backward(saved: Saved, gradient: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
    """∂C/∂a = (a − y)/n, and the opposite for y."""
    distance, count = saved
    gradient_a = distance * (gradient / count)
    return gradient_a, -gradient_a


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    distance, count = saved
    gradient_a = distance * (gradient / count)
    return gradient_a if needed[0] else None, -gradient_a if needed[1] else None


def _count(call: Call) -> float:
    return float(max(1, math.prod(call.a.shape[:-1])))


def derive(call: Call, index: Index) -> Expression:
    return Sum(Power(call.y[...] - call.a[...], 2)) / (2 * _count(call))


def derive_a(call: Call, index: Index) -> Expression:
    return call.gradient[()] * (call.a[index] - call.y[index]) / _count(call)


def derive_y(call: Call, index: Index) -> Expression:
    return call.gradient[()] * (call.y[index] - call.a[index]) / _count(call)


squared_error = Operation(
    name="squared_error",
    formula="C = 1/(2n)·Σ_x ‖y(x) − a‖², over the n examples x",
    gradients={"a": "∂C/∂a = (a − y)/n·∂C/∂C", "y": "∂C/∂y = (y − a)/n·∂C/∂C"},
    dimensions={"a": "... out", "y": "... out", "output": ""},
    forward=forward,
    backward=backward,
    kernel=Pair(forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"a": derive_a, "y": derive_y},
    source="Nielsen, Neural Networks and Deep Learning, ch. 1, eq. (6)",
    precision="full",
)
