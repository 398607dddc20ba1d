"""Dropout: in training, numbers are switched off at random, so that no neuron can rely on a single other one."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, Operand
from kqv.operations.operation import Call, Operation, Saved


def draw_mask(x: Float[Tensor, "*axes"], probability: float) -> Bool[Tensor, "*axes"]:
    """A mask for `x` that is False (switched off) with this probability, drawn with torch's global random numbers."""
    return torch.rand(x.shape, device=x.device) >= probability


def _factor(probability: float) -> float:
    """1/(1 − p): what is left stands for what was switched off too, so that the mean stays. All off: 0."""
    return 1 / (1 - probability) if probability < 1 else 0.0


def forward(
    x: Float[Tensor, "*axes"], mask: Bool[Tensor, "*axes"], *, probability: float
) -> tuple[Float[Tensor, "*axes"], Saved]:
    """y = x·mask/(1 − p). The mask comes from outside (`draw_mask`), so that it can be seen and repeated."""
    return x * mask.to(x.dtype) * _factor(probability), (mask, probability)


def backward(saved: Saved, gradient: Float[Tensor, "*axes"]) -> tuple[Tensor | None, ...]:
    """The gradient goes the way that the numbers went."""
    mask, probability = saved
    return gradient * mask.to(gradient.dtype) * _factor(probability), None


def _derive(call: Call, numbers: Operand, index: Index) -> Expression:
    probability = float(call.options["probability"])
    if probability >= 1:
        return numbers[index] * 0.0
    return numbers[index] * call.mask[index] / (1.0 - probability)


def derive(call: Call, index: Index) -> Expression:
    return _derive(call, call.x, index)


def derive_x(call: Call, index: Index) -> Expression:
    return _derive(call, call.gradient, index)


dropout = Operation(
    name="dropout",
    formula="y = x·mask/(1 − p), mask = 0 with probability p, else 1",
    gradients={"x": "∂C/∂x = ∂C/∂y·mask/(1 − p)"},
    dimensions={"x": "...", "mask": "...", "output": "..."},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    source="Srivastava et al. 2014, Dropout, section 4, with the scaling in training (section 10); Nielsen ch. 3",
)
