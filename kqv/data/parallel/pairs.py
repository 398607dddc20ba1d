"""Pairs of sentences in three splits, and what may be asked of a set that gives them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

from kqv.data.split import by_hash

Form = Literal["raw", "tokenised"]
Pair: TypeAlias = tuple[str, str]
Pairs: TypeAlias = tuple[Pair, ...]

HELD_OUT = 1000  # at most as many as that in each of the two splits


@dataclass(frozen=True)
class Wanted:
    """What is asked of a named set: its form, and for a generated one how many pairs, from which seed."""

    form: Form = "raw"
    quantity: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class ParallelText:
    """Sentences in the language `source` with their translations into `target`, in three splits.

    `form` says whether the text is as people write it or already tokenised, its tokens parted by spaces; `skipped`
    counts the lines that were empty on both sides.
    """

    name: str
    source: str
    target: str
    train: Pairs = field(repr=False)
    validation: Pairs = field(repr=False)
    test: Pairs = field(repr=False)
    form: Form = "raw"
    skipped: int = 0

    @cached_property
    def sha256(self) -> str:
        """The checksum of everything that training and scoring see: languages, form and the pairs of each split."""
        digest = hashlib.sha256(json.dumps([self.source, self.target, self.form], allow_nan=False).encode())
        for split in (self.train, self.validation, self.test):
            pairs = json.dumps(split, ensure_ascii=False, allow_nan=False)
            digest.update(pairs.encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of the training sentences, both languages."""
        return sum(len(sentence.encode("utf-8", "surrogatepass")) for pair in self.train for sentence in pair)

    def reversed(self) -> ParallelText:
        """The same pairs in the other direction, in the same splits."""
        train, validation, test = (
            tuple((target, source) for source, target in split) for split in (self.train, self.validation, self.test)
        )
        return replace(
            self, source=self.target, target=self.source, train=train, validation=validation, test=test
        )  # fmt: skip

    def describe(self) -> str:
        """One line: name, direction, form, the size of each split and what was skipped."""
        lines = "line" if self.skipped == 1 else "lines"
        skipped = f"; {self.skipped:,} {lines} skipped, empty on both sides" if self.skipped else ""
        return (
            f"{self.name}: {self.source} to {self.target}, {self.form}; {len(self.train):,} pairs to train,"
            f" {len(self.validation):,} to validate, {len(self.test):,} to test{skipped}"
        )


def held_out(count: int) -> int:
    """How many of `count` distinct sentences validate, and as many test: 5 %, at least 1, at most 1,000."""
    return max(1, min(HELD_OUT, count // 20))


def hold_out(pairs: Sequence[Pair], splits: int) -> list[Pairs]:
    """`pairs` in the training split and `splits` held-out ones: [train, first, second …], each in the given order.

    The distinct source sentences are ordered by their hash and the first ones held out, so that neither a random
    generator nor the order of the lines plays a part, and that a sentence that comes twice is never on both sides.
    Needs more distinct sentences than `splits`.
    """
    keys = [unicodedata.normalize("NFC", source) for source, _ in pairs]
    distinct = list(dict.fromkeys(keys))
    size = held_out(len(distinct))
    split_of = {
        distinct[position]: rank // size + 1 for rank, position in enumerate(by_hash(distinct)[: splits * size])
    }
    found: list[list[Pair]] = [[] for _ in range(splits + 1)]
    for key, pair in zip(keys, pairs, strict=True):
        found[split_of.get(key, 0)].append(pair)
    return [tuple(split) for split in found]
