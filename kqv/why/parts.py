"""The parts that write into a model's stream: their names, as in a trace, and how one says them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["token", "position", "head", "feed-forward", "bias", "other"]

KINDS: dict[Kind, str] = {
    "token": "token vectors", "position": "positions", "head": "attention heads", "feed-forward": "feed-forward parts",
    "bias": "biases", "other": "others",
}  # fmt: skip
"""Every kind of part, and what all of a kind are called."""

_OF_TABLES: dict[str, tuple[Kind, str]] = {
    "tokens": ("token", "token"), "source_tokens": ("token", "token"), "positions": ("position", "position"),
    "types": ("other", "token type"),
}  # fmt: skip
_BLOCK = re.compile(r"\bblocks\.(\d+)")


@dataclass(frozen=True)
class Part:
    """One part: `name` as `blocks.5.attention.3`, `words` as `block 5 head 3`, and its kind."""

    name: str
    words: str
    kind: Kind

    def as_dict(self) -> dict[str, str]:
        """The part for JSON."""
        return {"part": self.name, "words": self.words, "kind": self.kind}


def in_words(path: str) -> str:
    """A module's path as one says it: `encoder block 2 cross-attention`."""
    spoken = _BLOCK.sub(r"block \1", path).replace("feed_forward", "feed-forward")
    return spoken.replace("cross_attention", "cross-attention").replace(".", " ").replace("_", " ")


def head_of(path: str, number: int) -> Part:
    """One head of the attention at a path: `block 5 head 3`, `decoder block 1 cross-attention head 0`."""
    return Part(f"{path}.{number}", f"{in_words(path).removesuffix(' attention')} head {number}", "head")


def bias_of(path: str) -> Part:
    """The bias of the module at a path."""
    return Part(f"{path}.bias", f"{in_words(path)} bias", "bias")


def table_of(path: str, position: int, word: str) -> Part:
    """What a table or a wave at a path gives to a position, on which a word stands."""
    kind, spoken = _OF_TABLES.get(path.rpartition(".")[2], ("other", in_words(path)))
    said = f"{spoken} “{word}”" if kind == "token" else f"{spoken} {position}" if kind == "position" else spoken
    return Part(path, said, kind)


def output_of(path: str) -> Part:
    """What the module at a path, or the tensor of a name, adds as a whole."""
    path = path.partition("#")[0].removesuffix(".output")
    return Part(path, in_words(path), "feed-forward" if path.endswith("feed_forward") else "other")
