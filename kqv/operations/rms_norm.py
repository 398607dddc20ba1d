"""RMS norm: each token's numbers are brought to root mean square 1, then scaled by learned numbers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Mean, Named, Power, Sum, sqrt
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    x: Float[Tensor, "*rows in"], weight: Float[Tensor, " in"], *, epsilon: float = 1e-6
) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y = γ·x̂, x̂ = x/√(mean(x²) + ε) over the last axis; weight is γ. Layer norm without the mean."""
    inverse = (x.square().mean(-1, keepdim=True) + epsilon).rsqrt()  # 1/√(mean(x²) + ε), [*rows, 1]
    return x * inverse * weight, (x, inverse, weight)


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = (g − x̂·mean(g·x̂))/√(mean(x²) + ε) with g = ∂C/∂y·γ; ∂C/∂γ = Σ_rows ∂C/∂y·x̂."""
    x, inverse, weight = saved
    normalised = x * inverse
    g = gradient * weight
    gradient_x = inverse * (g - normalised * (g * normalised).mean(-1, keepdim=True))
    return gradient_x, (gradient * normalised).reshape(-1, x.shape[-1]).sum(0)


def kernel_forward(x: Tensor, weight: Tensor, *, epsilon: float = 1e-6) -> tuple[Tensor, Saved]:
    """The same with two passes over the numbers, and one tensor of x's size."""
    size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    inverse = size.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
    return (x * inverse).mul_(weight), (x, inverse, weight)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """The same with fewer passes: Σ_rows and each row's mean(g·x̂) are products of the one tensor ∂C/∂y·x̂."""
    x, inverse, weight = saved
    gradient_x = gradient_weight = None
    products = (gradient * x).mul_(inverse).reshape(-1, x.shape[-1])
    if needed[0]:
        share = (products @ weight).view(inverse.shape).mul_(inverse).mul_(inverse / -x.shape[-1])
        gradient_x = (gradient * weight).mul_(inverse).addcmul_(x, share)
    if needed[1]:
        gradient_weight = products.sum(0)
    return gradient_x, gradient_weight


def derive(call: Call, index: Index) -> Expression:
    *row, position = index
    root = Named("√(mean(x²)+ε)", sqrt(Mean(Power(call.x[*row, :], 2)) + float(call.options["epsilon"])))
    return call.x[index] / root * call.weight[position]


def derive_x(call: Call, index: Index) -> Expression:
    *row, position = index
    x = call.x[*row, :]
    root = Named("√(mean(x²)+ε)", sqrt(Mean(Power(x, 2)) + float(call.options["epsilon"])))
    g = call.gradient[*row, :] * call.weight[:]
    own = call.gradient[index] * call.weight[position]
    return (own - Named("x̂", call.x[index] / root) * Named("mean(g·x̂)", Mean(g * (x / root)))) / root


def derive_weight(call: Call, index: Index) -> Expression:
    (position,) = index
    x = call.x[...]
    root = sqrt(Sum(Power(x, 2), 1) / float(x.shape[-1]) + float(call.options["epsilon"]))
    return Sum(call.gradient[..., position] * (call.x[..., position] / Named("√(mean(x²)+ε)", root)))


rms_norm = Operation(
    name="rms_norm",
    formula="y = γ·x/√(mean(x²) + ε), the mean over the last axis",
    gradients={
        "x": "∂C/∂x = (g − x̂·mean(g·x̂))/√(mean(x²) + ε), g = ∂C/∂y·γ, x̂ = x/√(mean(x²) + ε)",
        "weight": "∂C/∂γ = Σ_rows ∂C/∂y·x̂",
    },
    dimensions={"x": "... in", "weight": "in", "output": "... in"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"x": derive_x, "weight": derive_weight},
    source="Zhang, Sennrich 2019, Root Mean Square Layer Normalization, eq. (4)",
    precision="full",
)
