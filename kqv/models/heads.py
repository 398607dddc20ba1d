"""How the numbers of attention are shared by heads that work side by side."""

from __future__ import annotations

from dataclasses import dataclass

from kqv.errors import Error


@dataclass(frozen=True)
class Heads:
    """`count` heads of queries on `key_heads` heads of keys and values, with `channels` numbers each.

    A head of keys is shared by a `group` of heads of queries (Ainslie et al. 2023, GQA, section 2.2).
    """

    count: int
    key_heads: int
    channels: int

    @classmethod
    def of(cls, width: int, count: int, key_heads: int | None = None, channels: int | None = None) -> Heads:
        """Heads for `width` numbers: as many of keys as of queries and width/count channels, unless given.

        Raises `Error` for heads that do not share evenly.
        """
        key_heads = count if key_heads is None else key_heads
        if channels is None and width % count:
            raise Error(f"{count} heads cannot share {width} numbers evenly; choose a width that {count} divides")
        if key_heads < 1 or count % key_heads:
            raise Error(
                f"{count} heads cannot share {key_heads} heads of keys evenly; choose a number that divides {count}"
            )
        channels = width // count if channels is None else channels
        if channels < 1:
            raise Error(f"a head has {channels} channels; choose at least 1")
        return cls(count, key_heads, channels)

    @property
    def group(self) -> int:
        """How many heads of queries share a head of keys."""
        return self.count // self.key_heads

    @property
    def widths(self) -> tuple[int, int, int]:
        """Numbers of all heads' queries, of their keys and of their values, for each position."""
        shared = self.key_heads * self.channels
        return self.count * self.channels, shared, shared

    @property
    def key_head(self) -> str:
        """The dimension of the heads of keys: that of the heads, unless they are shared."""
        return "head" if self.group == 1 else "key_head"

    @property
    def lead(self) -> str:
        """The leading dimensions of scores: shared keys meet their queries in groups."""
        return "batch head" if self.group == 1 else "batch key_head group"

    @property
    def pairs(self) -> str:
        """The dimensions of scores and weights: a number for each query and key."""
        return f"{self.lead} query key"
