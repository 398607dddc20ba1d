"""Which examples a step sees: a fixed function of seed and step, so that a resumed run needs no other memory of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Batches:
    """Mini-batches of examples shuffled anew in each epoch; the last of an epoch may be smaller."""

    def __init__(self, examples: int, batch: int, seed: int) -> None:
        self.examples, self.batch, self.seed = examples, min(batch, examples), seed
        self.per_epoch = math.ceil(examples / self.batch)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def places(self, step: int) -> Tensor:
        """The examples `[batch]` that step number `step` (from 0) sees."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            # the epoch is mixed into the seed by a large odd number, so that seeds 1, 2, … share no order
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
            self._epoch, self._order = epoch, torch.randperm(self.examples, generator=generator)
        return self._order[within * self.batch : (within + 1) * self.batch]
