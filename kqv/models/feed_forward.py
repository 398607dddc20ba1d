"""The feed-forward part of a block, by name: each position for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kqv.models.choices import Choices
from kqv.models.layers import Dropout, Linear
from kqv.operations import Operation, gelu, gelu_tanh, multiply, relu, silu
from kqv.recording import note


class FeedForward(nn.Module):
    """y = W₂·gelu(W₁·x + b₁) + b₂: widen, bend, narrow; `dropout` acts on the output.

    Vaswani et al. 2017, section 3.3, eq. (2), with GELU in place of ReLU. x and y are `[batch, position, model]`.
    """

    def __init__(
        self, width: int, hidden: int, bias: bool = True, dropout: float = 0.0, bend: Operation = gelu
    ) -> None:
        super().__init__()
        self.widen = Linear(width, hidden, bias)
        self.narrow = Linear(hidden, width, bias)
        self.bend = bend
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = note("hidden", self.widen(x), "batch position hidden")
        active = note("active", self.bend(hidden), "batch position hidden")
        output = note("output", self.narrow(active), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]


class GatedFeedForward(nn.Module):
    """y = W₂·(silu(G·x) ⊙ W₁·x): one half of the widened numbers opens and closes the other (SwiGLU).

    Shazeer 2020, GLU Variants Improve Transformer, eq. (6). `widen` holds G and, below it, W₁: one product for both.
    """

    def __init__(self, width: int, hidden: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = hidden
        self.widen = Linear(width, 2 * hidden, bias, parts=(hidden, hidden))
        self.narrow = Linear(hidden, width, bias)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        widened = note("widened", self.widen(x), "batch position out")
        gate, hidden = torch.split(widened, [self.hidden, self.hidden], dim=-1)
        gate = note("gate", silu(note("gate_input", gate, "batch position hidden")), "batch position hidden")
        active = multiply(gate, note("hidden", hidden, "batch position hidden"))
        output = note("output", self.narrow(note("active", active, "batch position hidden")), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class FeedForwardPart:
    """`make(width, hidden, bias, dropout)` a part; `hidden(width)`: its usual number of hidden numbers."""

    make: Callable[[int, int, bool, float], nn.Module]
    hidden: Callable[[int], int]


def _by_tanh(width: int, hidden: int, bias: bool, dropout: float) -> FeedForward:
    return FeedForward(width, hidden, bias, dropout, gelu_tanh)


def _by_relu(width: int, hidden: int, bias: bool, dropout: float) -> FeedForward:
    return FeedForward(width, hidden, bias, dropout, relu)


def _four_times(width: int) -> int:
    return 4 * width


def _eight_thirds(width: int) -> int:
    """8/3·width in eights: a part with gates, which have a third matrix, then has as many weights as one without."""
    return max(8, 8 * round(width / 3))


FEED_FORWARD: Choices[FeedForwardPart] = Choices(
    "feed-forward part",
    {
        "gelu": FeedForwardPart(FeedForward, _four_times),
        "gelu-tanh": FeedForwardPart(_by_tanh, _four_times),
        "relu": FeedForwardPart(_by_relu, _four_times),
        "swiglu": FeedForwardPart(GatedFeedForward, _eight_thirds),
    },
)
"""Feed-forward parts by name: GELU by the normal distribution itself, by tanh as GPT-2's own weights
have it, by ReLU, gated."""
