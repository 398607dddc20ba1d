"""BPE-dropout: a word is joined from its bytes anew each time it is read, and now and then a pair is passed over.

Provilkov et al. 2020, "BPE-Dropout: Simple and Effective Subword Regularization", algorithm 1. So the model reads a
word in many ways, and learns what its parts have to do with each other. The library `tokenizers` can do it too, but
with random numbers that no seed decides: no training could be repeated with them, or resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Final

import numpy as np

from kqv.data.text.byte_pairs import BytePairs
from kqv.data.text.codec import Ids
from kqv.errors import DataError

MOST_KEPT: Final = 200_000  # partly joined words whose next joins are remembered, about 70 MB


class _Joined:
    """A word in the midst of being joined: its tokens, and the joins that can come next, the first one first.

    A join is the token that comes of it, and the position of the pair's left token; beside it in `nexts` stands the
    word after it. `nexts` is None, and each of it, until somebody asks.
    """

    __slots__ = ("ids", "joins", "nexts")

    def __init__(self, ids: tuple[int, ...]) -> None:
        self.ids = ids
        self.joins: list[tuple[int, int]] = []
        self.nexts: list[_Joined | None] | None = None


class Segmentations:
    """Sentences whose words are joined at random: at each step of joining, each pair that could be joined is passed
    over with a `probability`, and of the others the one that the vocabulary joined first is joined, until none is left.

    `tokenizer` says which pairs there are and how a sentence is parted into words. Probability 0 gives what its
    `encode` gives, 1 the bytes. Every word of every sentence is drawn by itself, also where it comes again.
    Raises `DataError` for a probability outside of 0 to 1, for what `encode` refuses, and for a tokenizer that does not
    join by pairs alone.
    """

    def __init__(self, tokenizer: BytePairs, sentences: Sequence[str], probability: float) -> None:
        if not 0 <= probability <= 1:
            raise DataError(f"BPE-dropout passes over a pair with a probability from 0 to 1, not {probability:g}")
        self.tokenizer, self.probability = tokenizer, probability
        byte_ids = {token: number for number, token in reversed([*enumerate(tokenizer.tokens)])}
        self._joins = _joins(tokenizer, byte_ids)
        self._kept: dict[tuple[int, ...], _Joined] = {}
        whole = tokenizer.encode_many(sentences)
        words: dict[bytes, _Joined] = {}
        self._sentences: list[list[_Joined]] = []
        for sentence in sentences:
            parts = tokenizer.words(sentence)
            for word in parts:
                if word not in words:
                    words[word] = self._node(tuple(byte_ids[bytes([byte])] for byte in word))
            self._sentences.append([words[word] for word in parts])
        self._require_pairs_alone(whole)

    def draw(self, seed: int) -> list[Ids]:
        """The ids of each sentence, [position], drawn once for all: one epoch. The same seed draws the same.

        Two languages, and two epochs, need seeds of their own.
        """
        return self._drawn(self.probability, Random(seed).random)

    def _drawn(self, probability: float, number: Callable[[], float]) -> list[Ids]:
        dtype, join = self.tokenizer.dtype, self._join
        return [
            np.array([token for word in words for token in join(word, probability, number)], dtype=dtype)
            for words in self._sentences
        ]

    def _join(self, word: _Joined, probability: float, number: Callable[[], float]) -> tuple[int, ...]:
        """Join a word until each pair that is left is passed over."""
        while True:
            nexts = word.nexts
            if nexts is None:
                nexts = self._find_joins(word)
            for choice, joined in enumerate(nexts):
                if number() >= probability:
                    word = joined or self._after(word, choice)
                    break
            else:
                return word.ids

    def _find_joins(self, word: _Joined) -> list[_Joined | None]:
        """Which pairs can be joined: that which the vocabulary joined first comes first, of equal ones the left one."""
        ids, joins = word.ids, self._joins
        pairs = enumerate(pairwise(ids))
        found = sorted((*joins[pair], position) for position, pair in pairs if pair in joins)
        word.joins = [(token, position) for _, token, position in found]
        word.nexts = [None] * len(found)
        return word.nexts

    def _after(self, word: _Joined, choice: int) -> _Joined:
        """The word after one of its joins."""
        token, position = word.joins[choice]
        after = self._node((*word.ids[:position], token, *word.ids[position + 2 :]))
        if word.nexts is not None and after.ids in self._kept:
            word.nexts[choice] = after
        return after

    def _node(self, ids: tuple[int, ...]) -> _Joined:
        """The word with these tokens; beyond `MOST_KEPT`, which the likely ones are the first to reach, a new one."""
        node = self._kept.get(ids)
        if node is None:
            node = _Joined(ids)
            if len(self._kept) < MOST_KEPT:
                self._kept[ids] = node
        return node

    def _require_pairs_alone(self, whole: Sequence[Ids]) -> None:
        """Without dropout, the tokenizer's own ids have to come: not so where it has words that are not joined."""
        for found, own, words in zip(self._drawn(0, lambda: 0.0), whole, self._sentences, strict=True):
            if not np.array_equal(found, own):
                text = self.tokenizer.decode([token for word in words for token in word.ids])
                raise DataError(
                    f"BPE-dropout needs a tokenizer that joins words by pairs alone, but this one reads {text!r} in"
                    " another way; train a vocabulary of byte pairs, or leave BPE-dropout out"
                )


def _joins(tokenizer: BytePairs, byte_ids: dict[bytes, int]) -> dict[tuple[int, int], tuple[int, int]]:
    """For each pair of tokens that is joined, how many pairs were joined before it, and the token that it becomes."""
    joins: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, (left, right) in enumerate(tokenizer.byte_merges):
        joins.setdefault((byte_ids[left], byte_ids[right]), (rank, byte_ids[left + right]))
    return joins
