"""Layer norm: each token's numbers are brought to mean 0 and variance 1, then scaled and shifted by learned numbers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Column, Expression, Index, Mean, Named, Position, Power, Sum, sqrt
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    x: Float[Tensor, "*rows in"],
    weight: Float[Tensor, " in"],
    bias: Float[Tensor, " in"] | None = None,
    *,
    epsilon: float = 1e-5,
) -> tuple[Float[Tensor, "*rows in"], Saved]:
    """y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε), with each row's own mean μ and variance σ²; weight is γ, bias is β."""
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    inverse = (centred.square().mean(-1, keepdim=True) + epsilon).rsqrt()  # 1/√(σ² + ε)
    normalised = centred * inverse
    y = normalised * weight
    return (y if bias is None else y + bias), (normalised, inverse, weight, bias is not None)


def backward(saved: Saved, gradient: Float[Tensor, "*rows in"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = (g − mean(g) − x̂·mean(g·x̂))/√(σ² + ε) with g = ∂C/∂y·γ; ∂C/∂γ = Σ_rows ∂C/∂y·x̂, ∂C/∂β = Σ_rows ∂C/∂y."""
    normalised, inverse, weight, has_bias = saved
    g = gradient * weight
    gradient_x = inverse * (g - g.mean(-1, keepdim=True) - normalised * (g * normalised).mean(-1, keepdim=True))
    rows = gradient.reshape(-1, gradient.shape[-1])
    gradient_weight = (rows * normalised.reshape(rows.shape)).sum(0)
    return gradient_x, gradient_weight, rows.sum(0) if has_bias else None


def kernel_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, epsilon: float = 1e-5
) -> tuple[Tensor, Saved]:
    y, mean, inverse = torch.native_layer_norm(x, (x.shape[-1],), weight, bias, epsilon)
    return y, (x, mean, inverse, weight, bias)


def kernel_backward(saved: Saved, gradient: Tensor, needed: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    x, mean, inverse, weight, bias = saved
    wanted = [needed[0], needed[1], bias is not None and needed[2]]
    found = torch.ops.aten.native_layer_norm_backward(gradient, x, (x.shape[-1],), mean, inverse, weight, bias, wanted)
    return tuple(found)


def _statistics(call: Call, row: list[Position]) -> tuple[Expression, Expression]:
    """μ and √(σ² + ε) of one row."""
    x = call.x[*row, :]
    mean = Named("μ", Mean(x))
    return mean, Named("√(σ²+ε)", sqrt(Mean(Power(x - mean, 2)) + float(call.options["epsilon"])))


def derive(call: Call, index: Index) -> Expression:
    *row, position = index
    mean, root = _statistics(call, row)
    y = (call.x[index] - mean) / root * call.weight[position]
    return y + call.bias[position] if call.given("bias") else y


def derive_x(call: Call, index: Index) -> Expression:
    *row, position = index
    mean, root = _statistics(call, row)
    g = call.gradient[*row, :] * call.weight[:]
    own = call.gradient[index] * call.weight[position]
    normalised = Named("x̂", (call.x[index] - mean) / root)
    through = Named("mean(g·x̂)", Mean(g * ((call.x[*row, :] - mean) / root)))
    return (own - Named("mean(g)", Mean(g)) - normalised * through) / root


def derive_weight(call: Call, index: Index) -> Expression:
    (position,) = index
    x = call.x[...]
    width = float(x.shape[-1])
    mean = Named("μ", Sum(x, 1) / width)
    root = Named("√(σ²+ε)", sqrt(Sum(Power(x - Column(mean), 2), 1) / width + float(call.options["epsilon"])))
    return Sum(call.gradient[..., position] * ((call.x[..., position] - mean) / root))


def derive_bias(call: Call, index: Index) -> Expression:
    return Sum(call.gradient[..., index[0]])


layer_norm = Operation(
    name="layer_norm",
    formula="y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε), μ and σ² over the last axis",
    gradients={
        "x": "∂C/∂x = (g − mean(g) − x̂·mean(g·x̂))/√(σ² + ε), g = ∂C/∂y·γ",
        "weight": "∂C/∂γ = Σ_rows ∂C/∂y·x̂",
        "bias": "∂C/∂β = Σ_rows ∂C/∂y",
    },
    dimensions={"x": "... in", "weight": "in", "bias": "in", "output": "... in"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward, selective=True),
    derive=derive,
    derivatives={"x": derive_x, "weight": derive_weight, "bias": derive_bias},
    source="Ba, Kiros, Hinton 2016, Layer Normalization, eq. (3)",
    precision="full",
)
