"""The feed-forward part of a block: each place for itself; two forms, chosen by name."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.layers import Dropout, Linear
from kqv.operations import Operation, gelu, gelu_tanh, multiply, silu
from kqv.trace.recorder import note

Form = Literal["gelu", "gelu-tanh", "swiglu"]

GELUS: dict[str, Operation] = {"gelu": gelu, "gelu-tanh": gelu_tanh}
"""GELU by the normal distribution itself, and the form by tanh that GPT-2's own weights go with."""


class FeedForward(nn.Module):
    """y = W₂·gelu(W₁·x + b₁) + b₂: widen, bend, narrow; `dropout` acts on the output.

    Vaswani et al. 2017, section 3.3, eq. (2), with GELU in place of ReLU. x and y are `[batch, position, model]`.
    """

    def __init__(
        self, model: int, hidden: int, bias: bool = True, dropout: float = 0.0, bend: Operation = gelu
    ) -> None:
        super().__init__()
        self.widen = Linear(model, hidden, bias)
        self.narrow = Linear(hidden, model, bias)
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

    def __init__(self, model: int, hidden: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = hidden
        self.widen = Linear(model, 2 * hidden, bias, parts=(hidden, hidden))
        self.narrow = Linear(hidden, model, bias)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        widened = note("widened", self.widen(x), "batch position out")
        gate, hidden = torch.split(widened, [self.hidden, self.hidden], dim=-1)
        gate = note("gate", silu(note("gate_input", gate, "batch position hidden")), "batch position hidden")
        active = multiply(gate, note("hidden", hidden, "batch position hidden"))
        output = note("output", self.narrow(note("active", active, "batch position hidden")), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]


def hidden_size(form: Form, model: int) -> int:
    """The usual number of hidden numbers: 4·model, or with gates, which have a third matrix, 8/3·model in eights."""
    return max(8, 8 * round(model / 3)) if form == "swiglu" else 4 * model


def make_feed_forward(
    form: Form, model: int, hidden: int, bias: bool, dropout: float
) -> FeedForward | GatedFeedForward:
    """A feed-forward part by name. Raises `Error` for an unknown name."""
    if form in GELUS:
        return FeedForward(model, hidden, bias, dropout, GELUS[form])
    if form == "swiglu":
        return GatedFeedForward(model, hidden, bias, dropout)
    raise Error(f"there is no feed-forward form {form!r}; choose one of: {', '.join((*GELUS, 'swiglu'))}")
