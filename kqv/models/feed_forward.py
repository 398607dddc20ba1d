"""The feed-forward part of a block, by name: each position for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from kqv.models.choices import Choices
from kqv.models.layers import Dropout, Linear
from kqv.operations import gelu, gelu_tanh, multiply, relu, silu, square
from kqv.recording import note

Bend = Callable[[Tensor], Tensor]


class FeedForward(nn.Module):
    """y = W₂·bend(W₁·x + b₁) + b₂: widen, bend, narrow; `dropout` acts on the output.

    Vaswani et al. 2017, section 3.3, eq. (2), with GELU in place of ReLU. x and y are `[batch, position, model]`.
    """

    def __init__(self, width: int, hidden: int, bias: bool = True, dropout: float = 0.0, bend: Bend = gelu) -> None:
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
    """y = W₂·(bend(G·x) ⊙ W₁·x): one half of the widened numbers opens and closes the other (SwiGLU with SiLU).

    Shazeer 2020, GLU Variants Improve Transformer, eq. (6). `widen` holds G and, below it, W₁: one product for both.
    """

    def __init__(self, width: int, hidden: int, bias: bool = True, dropout: float = 0.0, bend: Bend = silu) -> None:
        super().__init__()
        self.bend = bend
        self.hidden = hidden
        self.widen = Linear(width, 2 * hidden, bias, parts=(hidden, hidden))
        self.narrow = Linear(hidden, width, bias)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        widened = note("widened", self.widen(x), "batch position out")
        gate, hidden = torch.split(widened, [self.hidden, self.hidden], dim=-1)
        gate = note("gate", self.bend(note("gate_input", gate, "batch position hidden")), "batch position hidden")
        active = multiply(gate, note("hidden", hidden, "batch position hidden"))
        output = note("output", self.narrow(note("active", active, "batch position hidden")), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class FeedForwardPart:
    """`make(width, hidden, bias, dropout)` a part; `hidden(width)`: its usual number of hidden numbers."""

    make: Callable[[int, int, bool, float], nn.Module]
    hidden: Callable[[int], int]


def _relu_squared(x: Tensor) -> Tensor:
    return square(note("bent", relu(x), "batch position hidden"))


def _straight(x: Tensor) -> Tensor:
    return x


def _four_times(width: int) -> int:
    return 4 * width


def _eight_thirds(width: int) -> int:
    """8/3·width in eights: a part with gates, which have a third matrix, then has as many weights as one without."""
    return max(8, 8 * round(width / 3))


def _plain(bend: Bend) -> FeedForwardPart:
    return FeedForwardPart(partial(FeedForward, bend=bend), _four_times)


def _gated(bend: Bend) -> FeedForwardPart:
    return FeedForwardPart(partial(GatedFeedForward, bend=bend), _eight_thirds)


FEED_FORWARD: Choices[FeedForwardPart] = Choices(
    "feed-forward part",
    {
        "gelu": _plain(gelu),
        "gelu-tanh": _plain(gelu_tanh),
        "relu": _plain(relu),
        "swiglu": _gated(silu),
        "geglu": _gated(gelu),
        "reglu": _gated(relu),
        "silu": _plain(silu),
        "relu-squared": _plain(_relu_squared),
        "linear": _plain(_straight),
    },
)
"""Feed-forward parts by name: GELU by the normal distribution itself, by tanh as GPT-2's own weights have it, by ReLU;
gated by SiLU, GELU or ReLU (Shazeer 2020, eqs. (5), (6)); SiLU (Ramachandran et al. 2017), ReLU squared (So et al.
2021, Primer); linear: nothing is bent, so that the two maps are one."""
