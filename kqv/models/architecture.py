"""What a GPT is composed of: one typed, frozen description, for the model, its recipe and the families alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kqv.models.blocks import BLOCKS, RESIDUALS
from kqv.models.choices import Choices
from kqv.models.deviations import INITIALISATIONS
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.heads import Heads
from kqv.models.layers import NORMS
from kqv.models.masks import MASKS, usual_window
from kqv.models.normalisers import NORMALISERS
from kqv.models.positions import POSITIONS
from kqv.models.requirements import require_numbers, require_pairs, require_period, require_sizes
from kqv.models.scales import SCALES
from kqv.models.scores import SCORES, usual_scale

PARTS: Mapping[str, Choices[Any]] = {
    "positions": POSITIONS, "block": BLOCKS, "norm": NORMS, "residual": RESIDUALS, "score": SCORES, "scale": SCALES,
    "mask": MASKS, "normaliser": NORMALISERS, "feed_forward": FEED_FORWARD, "initialisation": INITIALISATIONS,
}  # fmt: skip
"""The fields that are chosen by name, and what there is to choose."""

SIZES = ("context", "width", "heads", "blocks")


@dataclass(frozen=True)
class Architecture:
    """The sizes and parts of a GPT; what it does not say is GPT-2's. The vocabulary's size is not among them.

    `blocks` blocks read up to `context` tokens; `width` numbers stand for one token between them, `hidden` inside a
    feed-forward part. `heads` share the width evenly unless `channels` says how many numbers a head has; `key_heads`
    heads of keys and values are shared by groups of heads. `bias`: in linear maps and layer norms (`attention_bias`,
    where attention differs). `dropout` acts after the embeddings, on what each part adds to the stream and on the
    attention weights (`attention_dropout`, where these differ). `rotary_base` goes with rotary positions, `period`
    with periodic ones, `epsilon` with the norms; `query_key_norm`: an RMS norm on each head's queries and keys. `scale`
    goes with the score (None: its usual one), `window`, so many positions, with the mask of that name (None: a quarter
    of the context). `tied`: the head is the table of tokens, not a map of its own. All else are parts chosen by name
    (`PARTS`).

    What is None follows from the others (`resolved`); where `dropout` is None, training chooses it.
    Raises `Error` for names that do not exist, and for sizes that make no model.
    """

    context: int = 64
    width: int = 128
    heads: int = 4
    blocks: int = 4
    bias: bool = True
    dropout: float | None = 0.0
    positions: str = "learned"
    rotary_base: float = 10_000.0
    period: int | None = None
    block: str = "pre-norm"
    norm: str = "layer"
    epsilon: float = 1e-5
    residual: str = "add"
    score: str = "dot"
    scale: str | None = None
    mask: str = "past"
    window: int | None = None
    normaliser: str = "softmax"
    feed_forward: str = "gelu"
    hidden: int | None = None
    query_key_norm: bool = False
    key_heads: int | None = None
    channels: int | None = None
    attention_bias: bool | None = None
    attention_dropout: float | None = None
    tied: bool = True
    initialisation: str = "gpt2"

    def __post_init__(self) -> None:
        for field, choices in PARTS.items():
            if getattr(self, field) is not None or field != "scale":
                choices.find(getattr(self, field))
        require_sizes("GPT", {name: getattr(self, name) for name in (*SIZES, "hidden", "window", "period")})
        require_numbers(self.rotary_base, self.epsilon, self.dropout, self.attention_dropout)
        require_pairs(self.positions, self.shared().channels)
        require_period(self.positions, self.period)

    def shared(self) -> Heads:
        """How the heads share the width."""
        return Heads.of(self.width, self.heads, self.key_heads, self.channels)

    def resolved(self) -> Architecture:
        """The same with every field said."""
        heads = self.shared()
        hidden = FEED_FORWARD[self.feed_forward].hidden(self.width) if self.hidden is None else self.hidden
        dropout = self.dropout or 0.0
        period = self.context if POSITIONS[self.positions].has_period and self.period is None else self.period
        return replace(
            self, hidden=hidden, key_heads=heads.key_heads, channels=heads.channels, dropout=dropout, period=period,
            attention_bias=self.bias if self.attention_bias is None else self.attention_bias,
            attention_dropout=dropout if self.attention_dropout is None else self.attention_dropout,
            scale=self.scale or usual_scale(self.score), window=self.window or usual_window(self.context),
        )  # fmt: skip
