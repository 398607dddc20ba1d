"""Sentences as tokens: a tokenizer's, and two of their own, with which every sentence begins and ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from kqv.data.parallel.pairs import ParallelText
from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.data.text.characters import Bytes, Characters
from kqv.data.text.codec import MOST_IN_16_BITS, Ids, Kind, Tokenizer
from kqv.errors import DataError

BEGIN, END = 0, 1
"""Ids of `<s>`, which stands before what is written, and of `</s>`, which ends every sentence, read or written."""

SPECIAL = ("<s>", "</s>")


class Sentences:
    """Turns sentences into ids that end in `END`, and back; the tokenizer's own ids follow the special ones.

    Byte pairs know a word by the space before it, so that one is put before a sentence too, and taken off again: its
    first word is then the same token as anywhere else.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size = tokenizer.size + len(SPECIAL)
        self.dtype = np.uint16 if self.size <= MOST_IN_16_BITS else np.uint32
        self.lead = " " if isinstance(tokenizer, BytePairs) else ""

    def encode(self, sentence: str) -> Ids:
        """The ids of a sentence, `[position]`. Raises `DataError` for what the vocabulary cannot express."""
        return self.encode_many([sentence])[0]

    def encode_many(self, sentences: Sequence[str]) -> list[Ids]:
        """The ids of several sentences. Raises `DataError` as `encode`."""
        found = self.tokenizer.encode_many([self.lead + sentence for sentence in sentences])
        return [self.ended(ids) for ids in found]

    def ended(self, ids: Ids) -> Ids:
        """The tokenizer's ids of a sentence as ids of this vocabulary, with `END` behind them."""
        found: Ids = np.append(ids.astype(np.int64) + len(SPECIAL), END).astype(self.dtype)
        return found

    def decode(self, ids: ArrayLike) -> str:
        """The sentence of ids `[position]`, with or without special ones. Raises `DataError` for ids that are none."""
        found = np.asarray(ids, dtype=np.int64).reshape(-1)
        text = self.tokenizer.decode(found[found >= len(SPECIAL)] - len(SPECIAL))
        return text.removeprefix(self.lead)

    def token_text(self, token: int) -> str:
        """One token for people to read."""
        return SPECIAL[token] if token < len(SPECIAL) else self.tokenizer.token_text(token - len(SPECIAL))

    def describe(self) -> str:
        """One line: what the tokens are and how many."""
        return f"{self.tokenizer.describe()}, {' and '.join(SPECIAL)}"


def make_sentences(
    text: ParallelText, kind: Kind, size: int | None = None, joint: bool = True
) -> tuple[Sentences, Sentences]:
    """Vocabularies of source and target, made from the training sentences; a `joint` one is one and the same.

    Byte pairs are trained to `size` tokens (8,192 without; Sennrich et al. 2016, section 3.2, on joint pairs).
    Characters are those of all splits. Raises `DataError` for a kind that is not made for sentences, and for a size
    that is too small.
    """
    if joint:
        both = Sentences(_made((0, 1), text, kind, size))
        return both, both
    return Sentences(_made((0,), text, kind, size)), Sentences(_made((1,), text, kind, size))


USUAL_SIZE = 8192


def _made(sides: tuple[int, ...], text: ParallelText, kind: Kind, size: int | None) -> Tokenizer:
    if kind == "bytes":
        return Bytes()
    if kind == "characters":
        everything = chain(text.train, text.validation, text.test)
        return Characters(sorted({sign for pair in everything for side in sides for sign in pair[side]}))
    if kind != "bpe":
        raise DataError(f"sentences are cut into characters, bytes or bpe, not {kind!r}")
    return train_byte_pairs(_lines(text, sides), USUAL_SIZE if size is None else size - len(SPECIAL))


def _lines(text: ParallelText, sides: tuple[int, ...]) -> Iterable[str]:
    return (f" {pair[side]}" for side in sides for pair in text.train)
