"""The reciprocal, kept finite: large numbers become small, small ones large, and zero stays zero."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Named, Power
from kqv.operations.operation import Call, Operation, Saved


def forward(x: Float[Tensor, "*axes"], *, epsilon: float = 1e-2) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = x/(x² + ε): 1/x where x² is much larger than ε, but never beyond ±1/(2·√ε), which it reaches at ±√ε.

    Unlike 1/x with its values cut off it is smooth, and has a derivative everywhere.
    """
    below = x * x + epsilon  # x² + ε
    return x / below, (x, below, epsilon)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = ∂C/∂y·(ε − x²)/(x² + ε)²: near zero y rises with x, further away it falls, as 1/x does."""
    x, below, epsilon = saved
    return (gradient * (epsilon - x * x) / below / below,)


def derive(call: Call, index: Index) -> Expression:
    x = call.x[index]
    return x / (Power(x, 2) + float(call.options["epsilon"]))


def derive_x(call: Call, index: Index) -> Expression:
    squared, epsilon = Power(call.x[index], 2), float(call.options["epsilon"])
    below = Named("x²+ε", squared + epsilon)
    return call.gradient[index] * (epsilon - squared) / below / below


reciprocal = Operation(
    name="reciprocal",
    formula="y = x/(x² + ε)",
    gradients={"x": "∂C/∂x = ∂C/∂y·(ε − x²)/(x² + ε)²"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Tikhonov, Arsenin 1977, Solutions of Ill-Posed Problems: 1/x regularised, as for singular values",
)
