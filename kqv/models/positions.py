"""Positional encodings, by name: how a model that reads all tokens at once knows where each of them stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from kqv.models.choices import Choices
from kqv.models.layers import Embedding
from kqv.operations import rotary, sinusoidal


class Sinusoidal(nn.Module):
    """A pattern of waves for each position, without weights: `positions[position]` to `[position, model]`.

    y[p, 2i] = sin(p/10000^(2i/width)), y[p, 2i+1] = cos(the same), and the first p is 0 (Vaswani et al. 2017, 3.5).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, positions: Tensor) -> Tensor:
        return sinusoidal(positions, model=self.width)


@dataclass(frozen=True)
class Rotary:
    """Queries and keys `[..., position, channel]` turned by angles that grow with `positions[position]`.

    So that scores depend on distances alone (Su et al. 2021, RoFormer, eq. (34)).
    """

    base: float

    def __call__(self, x: Tensor, positions: Tensor) -> Tensor:
        return rotary(x, positions, base=self.base)


@dataclass(frozen=True)
class PositionalEncoding:
    """What a positional encoding does; None where nothing is added or turned.

    `vectors(context, width)` makes the module whose vectors are added to those of the tokens, `turn(base)` what turns
    queries and keys.
    """

    vectors: Callable[[int, int], nn.Module] | None = None
    turn: Callable[[float], Rotary] | None = None


def _learned(context: int, width: int) -> nn.Module:
    return Embedding(context, width, "position model")


def _sinusoidal(context: int, width: int) -> nn.Module:
    return Sinusoidal(width)


POSITIONS: Choices[PositionalEncoding] = Choices(
    "positional encoding",
    {
        "learned": PositionalEncoding(vectors=_learned),
        "rotary": PositionalEncoding(turn=Rotary),
        "sinusoidal": PositionalEncoding(vectors=_sinusoidal),
        "none": PositionalEncoding(),
    },
)
"""Positional encodings by name: a learned vector for each position (Radford et al. 2018, GPT, section 4.1), turned
queries and keys, waves; "none" leaves it to the mask, which lets the first position see one key, the second two."""
