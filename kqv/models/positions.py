"""Positional encodings, by name: how a model that reads all tokens at once knows where each of them stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from kqv.models.choices import Choices
from kqv.models.heads import Heads
from kqv.models.layers import Embedding
from kqv.operations import alibi, periodic, rotary, sinusoidal


class Sinusoidal(nn.Module):
    """A pattern of waves for each position, without weights: `positions[position]` to `[position, model]`.

    y[p, 2i] = sin(p/10000^(2i/width)), y[p, 2i+1] = cos(the same), and the first p is 0 (Vaswani et al. 2017, 3.5).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, positions: Tensor) -> Tensor:
        return sinusoidal(positions, model=self.width)


class Periodic(nn.Module):
    """The hand of a clock, without weights: `positions[position]` to `[position, model]`.

    y[p, 2i] = sin(2πp/period), y[p, 2i+1] = cos(the same), for all i: for texts of parts that are equally long, such as
    numbers of so many digits. What stands alike in them has the same vector.
    """

    def __init__(self, width: int, period: int) -> None:
        super().__init__()
        self.width, self.period = width, period

    def forward(self, positions: Tensor) -> Tensor:
        return periodic(positions, model=self.width, period=self.period)


@dataclass(frozen=True)
class Rotary:
    """Queries and keys `[..., position, channel]` turned by angles that grow with `positions[position]`.

    So that scores depend on distances alone (Su et al. 2021, RoFormer, eq. (34)).
    """

    base: float

    def __call__(self, x: Tensor, positions: Tensor) -> Tensor:
        return rotary(x, positions, base=self.base)


class Vectors(Protocol):
    """Makes the module whose vectors are added to those of the tokens; `period`: of an encoding that has one (None: the
    context)."""

    def __call__(self, context: int, width: int, period: int | None = None) -> nn.Module: ...


@dataclass(frozen=True)
class ALiBi:
    """Scores `[..., query, key]` (dimensions `heads.pairs`) lowered by the distance of their positions.

    Each head has a slope of its own, which is fixed (Press et al. 2022, section 3). Keys after the query count as those
    before it.
    """

    heads: Heads

    def __call__(self, scores: Tensor) -> Tensor:
        return alibi(scores, heads=self.heads.count)


@dataclass(frozen=True)
class PositionalEncoding:
    """What a positional encoding does; None where nothing is added, turned or lowered.

    `vectors(context, width)` makes the module whose vectors are added to those of the tokens, `turn(base)` what turns
    queries and keys, `lower(heads)` what lowers scores; `has_period`: whether it begins anew after some positions.
    """

    vectors: Vectors | None = None
    turn: Callable[[float], Rotary] | None = None
    lower: Callable[[Heads], ALiBi] | None = None
    has_period: bool = False


def _learned(context: int, width: int, period: int | None = None) -> nn.Module:
    return Embedding(context, width, "position model")


def _sinusoidal(context: int, width: int, period: int | None = None) -> nn.Module:
    return Sinusoidal(width)


def _periodic(context: int, width: int, period: int | None = None) -> nn.Module:
    return Periodic(width, period or context)


POSITIONS: Choices[PositionalEncoding] = Choices(
    "positional encoding",
    {
        "learned": PositionalEncoding(vectors=_learned),
        "rotary": PositionalEncoding(turn=Rotary),
        "sinusoidal": PositionalEncoding(vectors=_sinusoidal),
        "alibi": PositionalEncoding(lower=ALiBi),
        "periodic": PositionalEncoding(vectors=_periodic, has_period=True),
        "none": PositionalEncoding(),
    },
)
"""Positional encodings by name: a learned vector for each position (Radford et al. 2018, GPT, section 4.1), turned
queries and keys, waves, scores lowered by distance, one wave for all; "none" leaves it to the mask, which lets the
first position see one key, the second two."""
