"""Periodic positions: the hand of a clock that goes round once in so many positions, so that what stands alike in each
round has the same numbers."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Expression, Index, cosine, fixed, same, sine, when
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Saved


def forward(
    positions: Int[Tensor, "*positions"], *, model: int, period: int
) -> tuple[Float[Tensor, "*positions model"], Saved]:
    """y[position, 2i] = sin(2π·p/period), y[position, 2i+1] = cos(the same), p = position mod period; for all i alike.

    A shift by any number of positions is a rotation of each pair, the same one at every position. Angles are computed
    in float64 (but on Apple's GPUs, which lack it). Raises `DimensionError` for a period below 1.
    """
    if period < 1:
        raise DimensionError(f"periodic: a period has at least 1 position; got {period}")
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    column = torch.arange(model, device=positions.device)
    angle = (positions % period).to(exact).unsqueeze(-1) * (2 * math.pi / period)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).to(torch.get_default_dtype()), ()


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """None: positions are whole numbers."""
    return (None,)


def derive(call: Call, index: Index) -> Expression:
    *position, column = index
    period = call.options["period"]
    turns = call.positions.integer(tuple(position)) // period  # whole ones, which change nothing
    found = call.positions[tuple(position)]
    angle = when(same(turns, 0), found, found - fixed(turns * period)) * (2 * math.pi / period)
    return when(same(column % 2, 1), cosine(angle), sine(angle))


periodic = Operation(
    name="periodic",
    formula="y[position,2i] = sin(2π·position/period), y[position,2i+1] = cos(2π·position/period)",
    gradients={},
    dimensions={"positions": "...", "output": "... model"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={},
    source="Vaswani et al. 2017, Attention Is All You Need, section 3.5, with one wavelength for all",
)
