"""What an encoder-decoder is composed of: one typed, frozen description, with the published sizes by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kqv.models.blocks import BLOCKS, RESIDUALS
from kqv.models.choices import Choices
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.heads import Heads
from kqv.models.layers import NORMS
from kqv.models.masks import MASKS
from kqv.models.normalisers import NORMALISERS
from kqv.models.positions import POSITIONS
from kqv.models.requirements import require_numbers, require_pairs, require_sizes
from kqv.models.scales import SCALES
from kqv.models.scores import SCORES

SIZES = ("context", "width", "heads", "encoder_blocks", "decoder_blocks")

TABLES: Choices[str] = Choices(
    "choice of tables",
    {
        "shared": "one table for source, target and projection: the vocabulary is joint",
        "tied": "the target's table is the projection too; the source has its own vocabulary and table",
        "separate": "a table for the source, one for the target, and a projection of its own",
    },
)
"""Which of the embeddings and the projection are one table (Vaswani et al. 2017, 3.4; Press, Wolf 2017)."""

PARTS: Mapping[str, Choices[Any]] = {
    "positions": POSITIONS, "block": BLOCKS, "norm": NORMS, "residual": RESIDUALS, "score": SCORES, "scale": SCALES,
    "mask": MASKS, "normaliser": NORMALISERS, "feed_forward": FEED_FORWARD, "tables": TABLES,
}  # fmt: skip


@dataclass(frozen=True)
class TranslatorArchitecture:
    """The sizes and parts of an encoder-decoder; what it does not say is the first Transformer's.

    `encoder_blocks` read a source of up to `context` tokens, `decoder_blocks` a target of as many. `hidden` numbers
    stand inside a feed-forward part (None: its usual number). `dropout` acts after the embeddings, on what each part
    adds to the stream and on the attention weights (`attention_dropout`, where these differ). `score`, `scale` (None:
    the score's usual one) and `normaliser` are those of all attention; `mask` is what a target's positions see of the
    target (`window`: so many of them, with the mask of that name; None: a quarter of the context), since all of a
    source is seen. All else are parts chosen by name (`PARTS`).
    Raises `Error` for names that do not exist, and for sizes that make no model.
    """

    context: int = 256
    width: int = 512
    heads: int = 8
    hidden: int | None = 2048
    encoder_blocks: int = 6
    decoder_blocks: int = 6
    bias: bool = True
    dropout: float = 0.1
    attention_dropout: float | None = None
    positions: str = "sinusoidal"
    rotary_base: float = 10_000.0
    block: str = "post-norm"
    norm: str = "layer"
    epsilon: float = 1e-5
    residual: str = "add"
    score: str = "dot"
    scale: str | None = None
    mask: str = "past"
    window: int | None = None
    normaliser: str = "softmax"
    feed_forward: str = "relu"
    tables: str = "shared"

    def __post_init__(self) -> None:
        for field, choices in PARTS.items():
            if getattr(self, field) is not None or field != "scale":
                choices.find(getattr(self, field))
        require_sizes("Transformer", {name: getattr(self, name) for name in (*SIZES, "hidden", "window")})
        require_numbers(self.rotary_base, self.epsilon, self.dropout, self.attention_dropout)
        require_pairs(self.positions, self.shared().channels)

    def shared(self) -> Heads:
        """How the heads share the width."""
        return Heads.of(self.width, self.heads)


TRANSFORMER_SIZES: dict[str, TranslatorArchitecture] = {
    "base": TranslatorArchitecture(),
    "big": TranslatorArchitecture(width=1024, heads=16, hidden=4096, dropout=0.3),
}
"""The two published models (Vaswani et al. 2017, table 3; `big` with the dropout of English to German)."""
