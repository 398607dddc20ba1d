"""Which examples a step sees: a fixed function of seed and step, so that a resumed run needs no other memory of it."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor


def seed_of(seed: int, purpose: str, number: int) -> int:
    """The seed for one purpose at one epoch or step: a hash, so that no two share a stream, whatever the run's seed."""
    digest = hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, purpose: str, number: int) -> torch.Generator:
    """A random generator for one purpose at one epoch or step."""
    return torch.Generator().manual_seed(seed_of(seed, purpose, number))


class Batches:
    """Mini-batches of examples shuffled anew in each epoch; the last of an epoch may be smaller."""

    def __init__(self, examples: int, batch: int, seed: int) -> None:
        self.examples, self.batch, self.seed = examples, min(batch, examples), seed
        self.per_epoch = math.ceil(examples / self.batch)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def size(self, step: int) -> int:
        """How many examples step number `step` (from 0) sees."""
        return min(self.batch, self.examples - step % self.per_epoch * self.batch)

    def positions(self, step: int) -> Tensor:
        """The examples `[batch]` that step number `step` (from 0) sees."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            order = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._epoch, self._order = epoch, order
        return self._order[within * self.batch : (within + 1) * self.batch]
