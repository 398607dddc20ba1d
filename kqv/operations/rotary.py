"""Rotary positions: queries and keys are turned by angles that grow with the position, so that scores see distances."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Answer, Expression, Index, Named, Operand, below, cosine, fixed, sine, when
from kqv.errors import DimensionError
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    x: Float[Tensor, "*lead position channel"], positions: Int[Tensor, " position"], *, base: float = 10000.0
) -> tuple[Float[Tensor, "*lead position channel"], Saved]:
    """Turn each pair (x[i], x[i + channel/2]) by the angle θ = position·base^(−2i/channel).

    y[i] = x[i]·cos θ − x[i + half]·sin θ,  y[i + half] = x[i + half]·cos θ + x[i]·sin θ,  i < half = channel/2.

    This pairs the two halves, as Llama and Qwen do; the paper pairs neighbours, which is the same up to the order of
    the channels. Raises `DimensionError` for an odd number of channels.
    """
    if x.shape[-1] % 2:
        raise DimensionError(f"rotary: x{list(x.shape)} has {x.shape[-1]} channels; pairs need an even number")
    cos, sin = _cosines_and_sines(x, positions, base)
    return _turned(x, cos, sin), (cos, sin)


def backward(saved: Saved, gradient: Float[Tensor, "*lead position channel"]) -> tuple[Tensor | None, ...]:
    """The rotation back: by −θ."""
    cos, sin = saved
    return _turned(gradient, cos, -sin), None


def _cosines_and_sines(x: Tensor, positions: Tensor, base: float) -> tuple[Tensor, Tensor]:
    """cos θ and sin θ, `[position, channel/2]`, at least in float32; the angles in float64 where the device has it."""
    exact = torch.float32 if x.device.type == "mps" else torch.float64
    channel = x.shape[-1]
    frequency = base ** (-2 * torch.arange(channel // 2, device=x.device, dtype=exact) / channel)
    angle = positions.to(exact).unsqueeze(-1) * frequency
    dtype = torch.promote_types(x.dtype, torch.float32)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)


_latest: tuple[Any, ...] = (None, None, None)


def _known_cosines_and_sines(x: Tensor, positions: Tensor, base: float) -> tuple[Tensor, Tensor]:
    """The same, computed once for the blocks of a model, which ask for the same angles one after another.

    What they were computed for is kept as a copy: positions may be changed in place. Comparing pays on a CPU alone; a
    GPU would have to be waited for.
    """
    global _latest
    if type(positions) is not Tensor or not positions.is_cpu:  # one that only has a shape cannot be compared
        return _cosines_and_sines(x, positions, base)
    if torch.is_inference_mode_enabled() or positions.is_inference():  # what it makes cannot be used in training
        return _cosines_and_sines(x, positions, base)
    asked = (x.shape[-1], x.dtype, x.device, positions.dtype, base)
    known_positions, known, angles = _latest
    if known != asked or not torch.equal(known_positions, positions):
        angles = _cosines_and_sines(x, positions, base)
        _latest = positions.detach().clone(), asked, angles
    return angles  # type: ignore[no-any-return]


def kernel_forward(x: Tensor, positions: Tensor, *, base: float = 10000.0) -> tuple[Tensor, Saved]:
    if torch.compiler.is_compiling() or x.shape[-1] % 2:
        return forward(x, positions, base=base)
    cos, sin = _known_cosines_and_sines(x, positions, base)
    return _turned_in_position(x, cos, sin, 1), (cos, sin)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    cos, sin = saved
    return _turned_in_position(gradient, cos, sin, -1), None


def _turned_in_position(x: Tensor, cos: Tensor, sin: Tensor, direction: int) -> Tensor:
    """The same turn, written into one new tensor half by half."""
    if x.dtype != cos.dtype or torch.compiler.is_compiling():
        return _turned(x, cos, sin * direction)
    turned = torch.empty_like(x)
    (first, second), (its_first, its_second) = x.chunk(2, -1), turned.chunk(2, -1)
    torch.mul(first, cos, out=its_first).addcmul_(second, sin, value=-direction)
    torch.mul(second, cos, out=its_second).addcmul_(first, sin, value=direction)
    return turned


def _parts(call: Call, numbers: Operand, index: Index) -> tuple[Answer, Expression, Expression]:
    """Whether a channel is in the first half; its own part of the turned number, and that of its partner."""
    *lead, position, channel = index
    channels, base = call.x.shape[-1], call.options["base"]
    half = channels // 2
    frequency = fixed(channel % half, half, lambda pair: base ** (-2 * pair / channels))
    angle = Named("θ", call.positions[position] * frequency)
    own, other = numbers[index], numbers[*lead, position, (channel + half) % channels]
    return below(channel, half), own * cosine(angle), other * sine(angle)


def derive(call: Call, index: Index) -> Expression:
    is_first, own, other = _parts(call, call.x, index)
    return when(is_first, own - other, own + other)


def derive_x(call: Call, index: Index) -> Expression:
    is_first, own, other = _parts(call, call.gradient, index)
    return when(is_first, own + other, own - other)


rotary = Operation(
    name="rotary",
    formula="y[i] = x[i]·cos θ − x[i+h]·sin θ, y[i+h] = x[i+h]·cos θ + x[i]·sin θ, θ = p·base^(−i/h), h = channel/2",
    gradients={"x": "∂C/∂x = ∂C/∂y turned back, by −θ"},
    dimensions={"x": "... position channel", "positions": "position", "output": "... position channel"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"x": derive_x},
    source="Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding, eq. (15) and (34)",
)
