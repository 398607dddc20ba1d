"""What an encoder-decoder is composed of: one typed, frozen description, with the published sizes by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kqv.errors import Error
from kqv.models.blocks import BLOCKS
from kqv.models.choices import Choices
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.heads import Heads
from kqv.models.layers import NORMS
from kqv.models.positions import POSITIONS

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
    "positions": POSITIONS, "block": BLOCKS, "norm": NORMS, "feed_forward": FEED_FORWARD, "tables": TABLES
}  # fmt: skip


@dataclass(frozen=True)
class TranslatorArchitecture:
    """The sizes and parts of an encoder-decoder; what it does not say is the first Transformer's.

    `encoder_blocks` read a source of up to `context` tokens, `decoder_blocks` a target of as many. `hidden` numbers
    stand inside a feed-forward part (None: its usual number). `dropout` acts after the embeddings, on what each part
    adds to the stream and on the attention weights (`attention_dropout`, where these differ). All else are parts
    chosen by name (`PARTS`).
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
    feed_forward: str = "relu"
    tables: str = "shared"

    def __post_init__(self) -> None:
        for field, choices in PARTS.items():
            choices.find(getattr(self, field))
        names = ("context", "width", "heads", "encoder_blocks", "decoder_blocks")
        sizes = {name: getattr(self, name) for name in names}
        sizes |= {} if self.hidden is None else {"hidden": self.hidden}
        if min(sizes.values()) < 1:
            got = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise Error(f"a Transformer's sizes are all at least 1; got {got}")
        if min(self.rotary_base, self.epsilon) <= 0:
            raise Error(f"expected rotary_base and epsilon above 0; got {self.rotary_base:g} and {self.epsilon:g}")
        for probability in (self.dropout, self.attention_dropout):
            if probability is not None and not 0 <= probability < 1:
                raise Error(f"dropout is a fraction from 0 to below 1; got {probability}")
        channels = self.shared().channels
        if POSITIONS[self.positions].turn is not None and channels % 2:
            raise Error(f"rotary positions turn pairs of channels, and a head has {channels}; choose an even number")

    def shared(self) -> Heads:
        """How the heads share the width."""
        return Heads.of(self.width, self.heads)


TRANSFORMER_SIZES: dict[str, TranslatorArchitecture] = {
    "base": TranslatorArchitecture(),
    "big": TranslatorArchitecture(width=1024, heads=16, hidden=4096, dropout=0.3),
}
"""The two published models (Vaswani et al. 2017, table 3; `big` with the dropout of English to German)."""
