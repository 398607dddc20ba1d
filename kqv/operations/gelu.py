"""GELU: each number times the probability that a standard normal number is smaller; exact, and by tanh as in GPT-2."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Named, Power, erf, exp, tanh
from kqv.operations.operation import Call, Operation, Pair, Saved

_SLOPE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


def forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = x·Φ(x), Φ the distribution function of the standard normal distribution."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2))), (x,)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """The product rule, (x·Φ)′ = Φ + x·φ, with φ = Φ′ the density."""
    (x,) = saved
    below = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    density = (-0.5 * x * x).exp() / math.sqrt(2 * math.pi)
    return (gradient * (below + x * density),)


def tanh_forward(x: Float[Tensor, "*axes"]) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = ½·x·(1 + t), t = tanh(√(2/π)·(x + 0.044715·x³)): GPT-2's approximation."""
    return 0.5 * x * (1 + torch.tanh(_SLOPE * (x + _CUBIC * x**3))), (x,)


def tanh_backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """½·(1 + t) + ½·x·t′, with t′ = (1 − t²)·√(2/π)·(1 + 3·0.044715·x²)."""
    (x,) = saved
    t = torch.tanh(_SLOPE * (x + _CUBIC * x**3))
    return (gradient * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _SLOPE * (1 + 3 * _CUBIC * x**2)),)


def kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    return torch.nn.functional.gelu(x), (x,)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.aten.gelu_backward(gradient, saved[0], approximate="none"),)


def tanh_kernel_forward(x: Tensor) -> tuple[Tensor, Saved]:
    return torch.nn.functional.gelu(x, approximate="tanh"), (x,)


def tanh_kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.aten.gelu_backward(gradient, saved[0], approximate="tanh"),)


def derive(call: Call, index: Index) -> Expression:
    x = call.x[index]
    return x * 0.5 * (1.0 + erf(x / math.sqrt(2)))


def derive_x(call: Call, index: Index) -> Expression:
    x = call.x[index]
    below = Named("Φ(x)", 0.5 * (1.0 + erf(x / math.sqrt(2))))
    density = Named("φ(x)", exp(-0.5 * Power(x, 2)) / math.sqrt(2 * math.pi))
    return call.gradient[index] * (below + x * density)


def _inner(x: Expression) -> Expression:
    return Named("t", tanh(_SLOPE * (x + _CUBIC * Power(x, 3))))


def derive_tanh(call: Call, index: Index) -> Expression:
    x = call.x[index]
    return 0.5 * x * (1.0 + _inner(x))


def derive_tanh_x(call: Call, index: Index) -> Expression:
    x = call.x[index]
    t = _inner(x)
    slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - Power(t, 2)) * _SLOPE * (1.0 + 3 * _CUBIC * Power(x, 2))
    return call.gradient[index] * slope


gelu = Operation(
    name="gelu",
    formula="y = x·Φ(x) = x·½·(1 + erf(x/√2))",
    gradients={"x": "∂C/∂x = ∂C/∂y·(Φ(x) + x·φ(x)), φ(x) = exp(−x²/2)/√(2π)"},
    dimensions={"x": "...", "output": "..."},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Hendrycks, Gimpel 2016, Gaussian Error Linear Units, section 2",
)

gelu_tanh = Operation(
    name="gelu_tanh",
    formula="y = ½·x·(1 + t), t = tanh(√(2/π)·(x + 0.044715·x³))",
    gradients={"x": "∂C/∂x = ∂C/∂y·(½·(1 + t) + ½·x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²))"},
    dimensions={"x": "...", "output": "..."},
    forward=tanh_forward,
    backward=tanh_backward,
    kernel=Pair(tanh_kernel_forward, tanh_kernel_backward),
    derive=derive_tanh,
    derivatives={"x": derive_tanh_x},
    source="Hendrycks, Gimpel 2016, Gaussian Error Linear Units, section 2; GPT-2's activation",
)
