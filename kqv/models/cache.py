"""Key-value cache: what attention computed for earlier tokens is kept, so that a new token costs one position."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.errors import DimensionError, Error
from kqv.recording import recording, unseen

FIRST = 256
"""Positions that a cache has room for at first; a model may be able to read a thousand times as many."""


class BlockCache:
    """Keys and values of one block's attention, `[batch, key_head, position, channel]`.

    Of the room's positions the first `length` are filled; it grows by doubling, up to `positions`.
    """

    def __init__(self, keys: Tensor, values: Tensor, positions: int) -> None:
        self.keys = keys
        self.values = values
        self.positions = positions
        self.length = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append `[batch, key_head, new, channel]`; return all so far, `[batch, key_head, key, channel]`.

        What comes back are views of the room. While a trace records it is a copy, in which the trace can follow the new
        ones; the earlier ones stand there as given.
        """
        before, self.length = self.length, self.length + keys.shape[-2]
        with unseen():
            self._make_room(before)
            self.keys.narrow(2, before, keys.shape[-2]).copy_(keys)  # one call, where a slice of axis 2 takes three
            self.values.narrow(2, before, keys.shape[-2]).copy_(values)
            if not recording():
                return self.keys.narrow(2, 0, self.length), self.values.narrow(2, 0, self.length)
            earlier = self.keys[:, :, :before].clone(), self.values[:, :, :before].clone()
        return torch.cat((earlier[0], keys), -2), torch.cat((earlier[1], values), -2)

    def copied(self) -> BlockCache:
        """Another one with the same content."""
        with unseen(), torch.inference_mode(False):
            copy = BlockCache(self.keys.clone(), self.values.clone(), self.positions)
        copy.length = self.length
        return copy

    def select(self, rows: Tensor) -> None:
        """Row `rows[i]` of the batch becomes row i, for as many rows as there are."""
        self.keys, self.values = (self._selected(part, rows) for part in (self.keys, self.values))

    def _selected(self, part: Tensor, rows: Tensor) -> Tensor:
        """In memory position by position, so that what is filled lies together: such rows are copied four times as
        fast."""
        _, heads, positions, channels = part.shape
        with unseen():
            with torch.inference_mode(False):
                room = part.new_empty(positions, len(rows), heads, channels)
            filled = part[:, :, : self.length].permute(2, 0, 1, 3)
            torch.index_select(filled, 1, rows, out=room[: self.length])
            return room.permute(1, 2, 0, 3)

    def _make_room(self, filled: int) -> None:
        """Room for `length` positions at least, with the first `filled` as they were."""
        room = self.keys.shape[-2]
        if self.length <= room:
            return
        room = min(self.positions, max(2 * room, self.length))
        with torch.inference_mode(False):  # a tensor of inference mode could not be written to outside of it
            grown = [part.new_zeros(*part.shape[:-2], room, part.shape[-1]) for part in (self.keys, self.values)]
        for new, old in zip(grown, (self.keys, self.values), strict=True):
            new[:, :, :filled] = old[:, :, :filled]
        self.keys, self.values = grown


class ContextCache:
    """Keys and values of a context for one block's cross-attention, `[batch, key_head, key, channel]`: computed once.

    `kept` is None until `keep` is called. A decoder needs one for each block beside its `BlockCache`.
    """

    def __init__(self) -> None:
        self.kept: tuple[Tensor, Tensor] | None = None

    def keep(self, keys: Tensor, values: Tensor) -> None:
        """Keep them for all further positions of this text. Raises `Error` where gradients are wanted."""
        if torch.is_grad_enabled():
            raise Error("no gradient flows through a key-value cache; use it inside torch.no_grad()")
        self.kept = keys, values

    def select(self, rows: Tensor) -> None:
        """Row `rows[i]` of the batch becomes row i, for as many rows as there are."""
        if self.kept is not None:
            keys, values = self.kept
            self.kept = keys.index_select(0, rows), values.index_select(0, rows)

    def clear(self) -> None:
        """Forget the context."""
        self.kept = None


class Cache:
    """A `BlockCache` for each block, all for the same texts, with room for up to `positions` tokens.

    Keys and values are `[batch, key_head, position, channel]` in every block; `heads` is how many heads of keys there
    are, and keys that positions turn are kept turned. At first there is room for `first` positions (None: `FIRST`). No
    gradient flows through a cache: it is for generation (Shazeer 2019, Fast Transformer Decoding, section 2.4:
    incremental decoding).
    """

    def __init__(
        self, blocks: int, batch: int, heads: int, positions: int, channels: int,
        dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu", first: int | None = None,
    ) -> None:  # fmt: skip
        self.batch = batch
        self.positions = positions
        first = min(positions, first or FIRST)
        room = torch.zeros(blocks, 2, batch, heads, first, channels, dtype=dtype, device=device)
        self.blocks = [BlockCache(keys, values, positions) for keys, values in room]

    @property
    def length(self) -> int:
        """How many positions every block has seen."""
        return self.blocks[0].length

    def next_positions(self, count: int, device: torch.device) -> Tensor:
        """Where the next so many tokens stand, `[position]`."""
        return torch.arange(self.length, self.length + count, device=device)

    def copied(self) -> Cache:
        """Another one that has seen the same, and goes its own way from here on."""
        copy = Cache.__new__(Cache)
        copy.batch, copy.positions = self.batch, self.positions
        copy.blocks = [block.copied() for block in self.blocks]
        return copy

    def clear(self) -> None:
        """Forget all positions; the memory stays for the next text."""
        for block in self.blocks:
            block.length = 0

    def select(self, rows: Tensor) -> None:
        """Text `rows[i]` becomes text i, for as many texts as there are rows: one may be left out, or go on in several
        ways."""
        if len(rows) == self.batch and torch.equal(rows, torch.arange(self.batch, device=rows.device)):
            return
        for block in self.blocks:
            block.select(rows)
        self.batch = len(rows)

    def check(self, ids: Tensor) -> None:
        """Raise unless the next `ids[batch, position]` fit: `DimensionError` for another batch, `Error` where there is
        no room or where gradients are wanted."""
        if torch.is_grad_enabled():
            raise Error("no gradient flows through a key-value cache; use it inside torch.no_grad()")
        batch, new = ids.shape
        if batch != self.batch:
            raise DimensionError(
                f"the cache is for batch={self.batch} texts, but ids[batch, position] has batch={batch}"
            )
        if self.length + new > self.positions:
            raise Error(
                f"the cache has room for {self.positions} positions and holds {self.length}; {new} more do not fit: "
                "clear it and give it the end of the text"
            )
