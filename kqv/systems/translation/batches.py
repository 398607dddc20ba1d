"""Batches of pairs by their number of tokens: pairs of about one length, in another composition in each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from kqv.errors import Error
from kqv.training.batches import generator

Lengths = npt.NDArray[np.int64]
Number = TypeVar("Number", int, Lengths)

MULTIPLE = 2


def rounded(length: Number, multiple: int = MULTIPLE) -> Number:
    """A length as training pads it, to an even number: with half as many sizes of tensors, memory that was freed fits
    again. With all sizes the C library searches ever longer for room, and a step takes a fifth more after 500."""
    return -(-length // multiple) * multiple


class TokenBatches:
    """Batches of up to `tokens` tokens on each side, padding counted; a fixed function of seed and step.

    `lengths[pair, side]`. In each epoch the pairs are shuffled and sorted into buckets of about one length, each
    `width` tokens wide; cut into batches; and the batches are shuffled. Narrow buckets leave little padding. Where
    lengths tell what a sentence is about, as they do of dates and amounts, they also make batches of one kind, and each
    step undoes some of what the one before has learned; wide ones mix them. Every epoch has the same number of batches,
    since a pair counts with its bucket's largest length. Raises `Error` where a single pair has more tokens than a
    batch.
    """

    def __init__(self, lengths: Lengths, tokens: int, seed: int, width: int = MULTIPLE) -> None:
        longest = rounded(int(lengths.max()))
        if longest > tokens:
            raise Error(
                f"a batch of {tokens:,} tokens has no room for a sentence of {longest:,}; give a larger --batch"
            )
        self.lengths, self.seed = lengths, seed
        self._keys = _keys(lengths, width)
        self.ends = _ends(np.minimum(rounded(np.sort(self._keys[-1])), longest), tokens)
        self.per_epoch = len(self.ends)
        self._epoch, self._order, self._batches = -1, np.empty(0, np.int64), np.empty(0, np.int64)

    def pairs(self, step: int) -> npt.NDArray[np.int64]:
        """The pairs `[batch]` that step number `step` (from 0) sees."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._shuffle(epoch)
        batch = self._batches[within]
        found: npt.NDArray[np.int64] = self._order[0 if batch == 0 else self.ends[batch - 1] : self.ends[batch]]
        return found

    def size(self, step: int) -> int:
        """How many tokens of the target side step number `step` sees."""
        pairs = self.pairs(step)  # of an epoch, which may have lengths of its own
        return int(self.lengths[pairs, 1].sum())

    def _shuffle(self, epoch: int) -> None:
        random = generator(self.seed, "order", epoch)
        order = torch.randperm(len(self.lengths), generator=random).numpy()
        self._order = order[np.lexsort([key[order] for key in self._keys])]
        self._batches = torch.randperm(self.per_epoch, generator=random).numpy()
        self._epoch = epoch


class DrawnBatches(TokenBatches):
    """Batches of pairs that are cut into other tokens in each epoch, `lengths_in(epoch)[pair, side]`.

    In each epoch there are as many as in the first, each with about as many tokens, padding counted. Raises `Error` as
    `TokenBatches`, for the first epoch's lengths.
    """

    def __init__(self, lengths_in: Callable[[int], Lengths], tokens: int, seed: int, width: int = MULTIPLE) -> None:
        super().__init__(lengths_in(0), tokens, seed, width)
        self._lengths_in, self._width = lengths_in, width

    def _shuffle(self, epoch: int) -> None:
        self.lengths = self._lengths_in(epoch)
        self._keys = _keys(self.lengths, self._width)
        super()._shuffle(epoch)
        padded = np.cumsum(self._keys[-1][self._order])
        counted = np.arange(1, self.per_epoch + 1)
        ends = np.searchsorted(padded, padded[-1] * counted / self.per_epoch) + 1
        # each has a pair of its own, also where there are hardly more pairs than batches
        self.ends = np.clip(ends, counted, len(padded) - self.per_epoch + counted)


def _keys(lengths: Lengths, width: int) -> tuple[Lengths, ...]:
    """Of which buckets the pairs are: by the source's length, the target's, and the longer one's."""
    return tuple(rounded(kind, width) for kind in (lengths[:, 0], lengths[:, 1], lengths.max(1)))


def _ends(ordered: Lengths, tokens: int) -> Lengths:
    """Behind which pairs a batch ends, where its largest length, times its pairs, has to fit into `tokens`; `ordered`:
    the lengths with which the pairs count, growing."""
    ends, first = [], 0
    for position, length in enumerate(ordered.tolist()):
        if (position + 1 - first) * length > tokens:
            ends.append(position)
            first = position
    return np.array([*ends, len(ordered)])
