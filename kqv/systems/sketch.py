"""A model by its sizes alone, without weights: what can be changed of it, and a pass that shows its shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from kqv.errors import Error
from kqv.trace.trace import Trace

Sizes = Mapping[str, int]
"""Sizes by name: that of the dimension, or what is counted (`blocks`, `context`)."""

LARGEST = 1_000_000
"""Above it a size is a slip of the hand."""


class Sketch(Protocol):
    """A model to be: `title` says whose sizes these are."""

    @property
    def title(self) -> str:
        """Whose sizes these are."""

    @property
    def sizes(self) -> Sizes:
        """All sizes that can be changed, those that follow from others included."""

    def changed(self, changes: Sizes) -> Sketch:
        """The same with other sizes; what follows from them does so again. Raises `Error` for sizes that cannot be."""

    def trace(self) -> Trace:
        """A forward pass of the real model on PyTorch's meta device: every shape, no numbers. Raises `Error` for sizes
        that make no model."""


def differing(sketch: Sketch, changes: Sizes) -> dict[str, int]:
    """The changes that are some; `Error` for sizes that the model does not have, and for impossible ones."""
    for name, size in changes.items():
        if name not in sketch.sizes:
            raise Error(f"{sketch.title} has no size {name!r}; it has: {', '.join(sketch.sizes)}")
        if not 1 <= size <= LARGEST:
            raise Error(f"a size is from 1 to {LARGEST:,}; got {name} {size:,}")
    return {name: size for name, size in changes.items() if size != sketch.sizes[name]}


def without_numbers() -> torch.device:
    """`with without_numbers():` tensors made inside have shapes, and take no memory."""
    return torch.device("meta")
