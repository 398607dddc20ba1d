"""Batches of pairs by their number of tokens: pairs of one length together, in another composition in each epoch."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from kqv.errors import Error
from kqv.training.batches import generator

Lengths = npt.NDArray[np.int64]
Number = TypeVar("Number", int, Lengths)

MULTIPLE = 2


def rounded(length: Number) -> Number:
    """A length as training pads it, to an even number: with half as many sizes of tensors, memory that was freed fits
    again. With all sizes the C library searches ever longer for room, and a step takes a fifth more after 500."""
    return -(-length // MULTIPLE) * MULTIPLE


class TokenBatches:
    """Batches of up to `tokens` tokens on each side, padding counted; a fixed function of seed and step.

    `lengths[pair, side]`. In each epoch the pairs are shuffled and sorted by length, so that those of one length come
    in another order; cut into batches; and the batches are shuffled. Every epoch has the same number of batches, since
    only lengths decide where one ends; they count as `rounded` ones. Raises `Error` where a single pair has more tokens
    than a batch.
    """

    def __init__(self, lengths: Lengths, tokens: int, seed: int) -> None:
        longest = rounded(int(lengths.max()))
        if longest > tokens:
            raise Error(
                f"a batch of {tokens:,} tokens has no room for a sentence of {longest:,}; give a larger --batch"
            )
        self.lengths, self.seed = lengths, seed
        self.ends = _ends(lengths[_sorted(lengths)], tokens)
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
        return int(self.lengths[self.pairs(step), 1].sum())

    def _shuffle(self, epoch: int) -> None:
        random = generator(self.seed, "order", epoch)
        order = torch.randperm(len(self.lengths), generator=random).numpy()
        self._order = order[_sorted(self.lengths[order])]
        self._batches = torch.randperm(self.per_epoch, generator=random).numpy()
        self._epoch = epoch


def _sorted(lengths: Lengths) -> Lengths:
    """An order in which the longer side of a pair grows, and of equal ones the target: little of a batch is padding."""
    found: Lengths = np.lexsort((lengths[:, 0], rounded(lengths[:, 1]), rounded(lengths.max(1))))
    return found


def _ends(ordered: Lengths, tokens: int) -> Lengths:
    """Behind which pairs a batch ends, where the longest sentence of it, times its pairs, has to fit into `tokens`."""
    ends, first, longest = [], 0, 0
    for position, pair in enumerate(rounded(ordered.max(1)).tolist()):
        longest = max(longest, pair)
        if (position + 1 - first) * longest > tokens:
            ends.append(position)
            first, longest = position, pair
    return np.array([*ends, len(ordered)])
