"""Sinusoidal positions: each position of a sequence gets a pattern of waves of its own, from fast to slow."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Expression, Index, cosine, fixed, same, sine, when
from kqv.operations.operation import Call, Operation, Saved

_LONGEST = 10000.0


def forward(positions: Int[Tensor, "*positions"], *, model: int) -> tuple[Float[Tensor, "*positions model"], Saved]:
    """y[position, 2i] = sin(position/10000^(2i/model)), y[position, 2i+1] = cos(the same); the first is 0.

    Angles are computed in float64 (but on Apple's GPUs, which lack it): in float32 those of far positions are coarse.
    """
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    column = torch.arange(model, device=positions.device)
    wavelength = _LONGEST ** (2 * (column // 2).to(exact) / model)
    angle = positions.to(exact).unsqueeze(-1) / wavelength
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(torch.get_default_dtype()), ()


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """None: positions are whole numbers."""
    return (None,)


def derive(call: Call, index: Index) -> Expression:
    *position, column = index
    model = call.options["model"]
    wave = fixed(column // 2, (model + 1) // 2, lambda pair: _LONGEST ** (2 * pair / model))
    angle = call.positions[tuple(position)] / wave
    return when(same(column % 2, 1), cosine(angle), sine(angle))


sinusoidal = Operation(
    name="sinusoidal",
    formula="y[position,2i] = sin(position/10000^(2i/model)), y[position,2i+1] = cos(position/10000^(2i/model))",
    gradients={},
    dimensions={"positions": "...", "output": "... model"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={},
    source="Vaswani et al. 2017, Attention Is All You Need, section 3.5",
)
