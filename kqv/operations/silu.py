"""SiLU: each number times its own sigmoid; a ReLU without the corner (also called swish)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Named, logistic
from kqv.operations.operation import Call, Operation, Pair, Saved
from kqv.operations.sigmoid import forward as sigmoid_forward


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = x·σ(x)."""
    return x * sigmoid_forward(x)[0], (x,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """The product rule: (x·σ)′ = σ + x·σ·(1 − σ) = σ·(1 + x·(1 − σ))."""
    (x,) = saved
    share = sigmoid_forward(x)[0]
    return (gradient * share * (1 + x * (1 - share)),)


def kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    return torch.nn.functional.silu(x), (x,)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.aten.silu_backward(gradient, saved[0]),)


def derive(call: Call, index: Index) -> Expression:
    x = call.x[index]
    return x * logistic(x)


def derive_x(call: Call, index: Index) -> Expression:
    x = call.x[index]
    share = Named("σ(x)", logistic(x))
    return call.gradient[index] * share * (1.0 + x * (1.0 - share))


silu = Operation(
    name="silu",
    formula="y = x·σ(x)",
    gradients={"x": "∂C/∂x = ∂C/∂y·σ(x)·(1 + x·(1 − σ(x)))"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Elfwing, Uchibe, Doya 2017, Sigmoid-Weighted Linear Units, eq. (1) and (2)",
)
