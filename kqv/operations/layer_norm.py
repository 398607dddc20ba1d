"""Layer norm: each token's numbers are brought to mean 0 and variance 1, then scaled and shifted by learned numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.arithmetic import Column, Expression, Index, Mean, Named, Power, Sum, sqrt
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, epsilon: float = 1e-5) -> tuple[Tensor, Saved]:
    mean = x.mean(-1, keepdim=True)
    centred = x - mean
    inverse = (centred.square().mean(-1, keepdim=True) + epsilon).rsqrt()  # 1/√(σ² + ε)
    normalised = centred * inverse
    y = normalised * weight
    return (y if bias is None else y + bias), (normalised, inverse, weight, bias is not None)


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
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


def _normalised(call: Call, row: list[int], at: int | None = None) -> tuple[Expression, Expression, Expression]:
    """x̂ of a whole row, x̂ at one place, and 1/√(σ² + ε)."""
    x = call.x[*row, :]
    mean = Named("μ", Mean(x))
    inverse = 1.0 / Named("√(σ²+ε)", sqrt(Mean(Power(x - mean, 2)) + float(call.epsilon)))
    one = (call.x[*row, at] - mean) * inverse if at is not None else inverse
    return (x - mean) * inverse, one, inverse


def derive(call: Call, index: Index) -> Expression:
    *row, place = index
    y = _normalised(call, row, place)[1] * call.weight[place]
    return y if call.bias is None else y + call.bias[place]


def derive_x(call: Call, index: Index) -> Expression:
    *row, place = index
    normalised, one, inverse = _normalised(call, row, place)
    g = call.gradient[*row, :] * call.weight[:]
    own = call.gradient[index] * call.weight[place]
    return inverse * (own - Named("mean(g)", Mean(g)) - Named("x̂", one) * Named("mean(g·x̂)", Mean(g * normalised)))


def derive_weight(call: Call, index: Index) -> Expression:
    (place,) = index
    x = call.x[...]
    width = float(x.shape[-1])
    mean = Column(Sum(x, 1) / width)
    inverse = Column(1.0 / sqrt(Sum(Power(x - mean, 2), 1) / width + float(call.epsilon)))
    normalised = (call.x[..., place : place + 1] - mean) * inverse
    return Sum(call.gradient[..., place : place + 1] * normalised)


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
