"""Several texts go on by one token each, in one pass: all of it but attention is computed for them together.

A pass for one token reads every weight for one vector; for many tokens it reads them once. What a block computes for a
position, but for attention, depends on that position alone. So one new token of each of several texts goes through the
model like the positions of a single text, and only attention looks at each text by itself, in its own key-value cache:
the texts may be of any lengths, begin and end at any time (Yu et al. 2022, Orca, section 3.2: selective batching).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kqv.errors import DimensionError, Error
from kqv.models.cache import BlockCache, Cache

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention of one text: queries, keys and values `[1, head, position, channel]` to `[1, …, query, channel]`."""


class SideBySideBlock:
    """The caches of one block, one for each text."""

    def __init__(self, caches: Sequence[BlockCache]) -> None:
        self.caches = caches

    def each(self, queries: Tensor, keys: Tensor, values: Tensor, mix: Mix) -> Tensor:
        """Attention of position i of queries, keys and values `[1, head, position, channel]` to text i.

        Positions after those of the last text belong to none, and get zeros.
        """
        found = [
            mix(query, *cache.extend(key, value))
            for cache, query, key, value in zip(
                self.caches, *(torch.split(part, 1, -2) for part in (queries, keys, values)), strict=False
            )
        ]
        spare = queries.shape[-2] - len(found)
        if spare:
            shape = list(found[0].shape)
            shape[-2] = spare
            found.append(found[0].new_zeros(shape))
        return torch.cat(found, -2)


class SideBySide:
    """The caches of several texts, each of batch 1: the model reads `ids[1, position]`, the next token of each."""

    def __init__(self, caches: Sequence[Cache]) -> None:
        self.caches = caches
        self.blocks = [SideBySideBlock(blocks) for blocks in zip(*(cache.blocks for cache in caches), strict=True)]

    def next_positions(self, count: int, device: torch.device) -> Tensor:
        """Where each text's next token stands in it, `[position]`; 0 for those after the last text's."""
        lengths = [cache.length for cache in self.caches]
        return torch.tensor(lengths + [0] * (count - len(lengths)), device=device)

    def check(self, ids: Tensor) -> None:
        """Raise unless `ids[1, position]` has a token for each text: `DimensionError` for another shape, `Error` where
        a text's cache has no room or where gradients are wanted."""
        if len(ids) != 1 or ids.shape[1] < len(self.caches):
            raise DimensionError(
                f"{len(self.caches)} texts side by side go on by ids[batch=1, position] with a token for each; got a "
                f"tensor of shape {list(ids.shape)}"
            )
        if torch.is_grad_enabled():
            raise Error("no gradient flows through a key-value cache; use it inside torch.no_grad()")
        full = next((cache for cache in self.caches if cache.length >= cache.positions), None)
        if full is not None:
            raise Error(f"a text's cache has room for {full.positions} positions, and all are taken")
