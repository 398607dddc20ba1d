"""RMS norm: each token's numbers are brought to root mean square 1, then scaled by learned numbers."""

from __future__ import annotations

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


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """The same with fewer passes over the numbers: x̂ is not written down, the row's mean is a product of rows."""
    x, inverse, weight = saved
    gradient_x = gradient_weight = None
    if needed[0]:
        g = gradient * weight
        # one factor after the other: 1/√(…)³ alone would underflow for large x
        share = (g * x).sum(-1, keepdim=True).mul_(inverse).mul_(inverse / -x.shape[-1]).mul_(inverse)
        gradient_x = g.mul_(inverse).addcmul_(x, share)
    if needed[1]:
        gradient_weight = (gradient * x).mul_(inverse).reshape(-1, x.shape[-1]).sum(0)
    return gradient_x, gradient_weight


def derive(call: Call, index: Index) -> Expression:
    *row, place = index
    root = Named("√(mean(x²)+ε)", sqrt(Mean(Power(call.x[*row, :], 2)) + float(call.options["epsilon"])))
    return call.x[index] / root * call.weight[place]


def derive_x(call: Call, index: Index) -> Expression:
    *row, place = index
    x = call.x[*row, :]
    root = Named("√(mean(x²)+ε)", sqrt(Mean(Power(x, 2)) + float(call.options["epsilon"])))
    g = call.gradient[*row, :] * call.weight[:]
    own = call.gradient[index] * call.weight[place]
    return (own - Named("x̂", call.x[index] / root) * Named("mean(g·x̂)", Mean(g * (x / root)))) / root


def derive_weight(call: Call, index: Index) -> Expression:
    (place,) = index
    x = call.x[...]
    root = sqrt(Sum(Power(x, 2), 1) / float(x.shape[-1]) + float(call.options["epsilon"]))
    return Sum(call.gradient[..., place] * (call.x[..., place] / Named("√(mean(x²)+ε)", root)))


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
    kernel=Pair(forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"x": derive_x, "weight": derive_weight},
    source="Zhang, Sennrich 2019, Root Mean Square Layer Normalization, eq. (4)",
    precision="full",
)
