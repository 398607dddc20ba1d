"""The one vocabulary of dimensions: every axis of every tensor in kqv has one of these names.

`parse("batch head query key")` gives the names of a tensor's axes, and `Bindings` holds what size each
name has: some names have one size for the whole pass, the others one size for each call of a module.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from kqv.errors import DimensionError

VOCABULARY: dict[str, str] = {
    "batch": "examples that go through the model together",
    "row": "rows of a picture",
    "column": "columns of a picture",
    "pixel": "pixels of a picture, row by row",
    "kernel_row": "rows of a convolution's kernel, its small window of weights",
    "kernel_column": "columns of a kernel",
    "out_row": "rows of the output of a convolution or a pooling",
    "out_column": "columns of the same",
    "in": "inputs of a layer",
    "out": "outputs of a layer",
    "class": "classes that a classifier tells apart",
    "position": "positions of a sequence: one for each token",
    "source": "positions of the text that an encoder reads, where a decoder's own text is `position`",
    "query": "positions that attend: rows of the attention matrix",
    "key": "positions attended to: columns of the attention matrix, and positions of the values",
    "head": "attention heads",
    "key_head": "heads of keys and values, each shared by a group of query heads",
    "group": "query heads that share one head of keys",
    "channel": "numbers of one head's query, key or value",
    "model": "numbers that represent a token between the blocks: the width of the model",
    "hidden": "numbers inside a feed-forward network",
    "joined": "queries, keys and values of all heads, side by side",
    "vocab": "tokens of the vocabulary",
    "source_vocab": "tokens of the source's vocabulary, where it has one of its own",
    "type": "token types: which of two texts a token is of",
}
"""Every dimension's name, with what it counts."""

PASS_WIDE = frozenset({"batch", "model", "vocab", "source_vocab", "class"})
"""Dimensions with one size in a whole pass; all others are bound anew by each call of a module."""


@lru_cache(maxsize=4096)
def parse(dimensions: str) -> tuple[str, ...]:
    """Split `"batch head query key"` into its names; raise `DimensionError` for a name outside the vocabulary."""
    names = tuple(dimensions.split())
    for name in names:
        if name not in VOCABULARY:
            known = ", ".join(VOCABULARY)
            raise DimensionError(f"unknown dimension {name!r} in {dimensions!r}; the vocabulary has: {known}")
    if len(set(names)) != len(names):
        raise DimensionError(f"a dimension appears twice in {dimensions!r}; each axis needs a name of its own")
    return names


def label(names: Sequence[str], sizes: Sequence[int]) -> str:
    """Text of a shape with its names: `[batch=1, head=4, query=11, key=11]`."""
    return "[" + ", ".join(f"{name}={size}" for name, size in zip(names, sizes, strict=True)) + "]"


class Bindings:
    """Sizes that the names have, and which tensor gave each its size.

    One `Bindings` serves a whole pass; `call()` opens the bindings of one module call.
    """

    def __init__(self, wide: dict[str, tuple[int, str]] | None = None) -> None:
        self.wide: dict[str, tuple[int, str]] = {} if wide is None else wide
        self.local: dict[str, tuple[int, str]] = {}

    def call(self) -> Bindings:
        """Bindings for one call of a module: pass-wide names are shared, the others start unbound."""
        return Bindings(self.wide)

    def bind(self, tensor_name: str, names: Sequence[str], sizes: Sequence[int]) -> None:
        """Give `names` these `sizes`; raise `DimensionError` where one already has another size.

        The error names the dimension, both sizes, and the tensor that gave it the first one.
        """
        if len(names) != len(sizes):
            raise DimensionError(
                f"{tensor_name} has {len(sizes)} axes {list(sizes)} but {len(names)} dimension names: {' '.join(names)}"
            )
        for name, size in zip(names, sizes, strict=True):
            bound = self.wide if name in PASS_WIDE else self.local
            known_size, known_from = bound.setdefault(name, (size, tensor_name))
            if known_size != size:
                here = f"{tensor_name}{label(names, sizes)}"
                raise DimensionError(f"dimension {name!r} is {size} in {here} but {known_size} in {known_from}")
