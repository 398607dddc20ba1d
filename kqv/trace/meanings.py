"""What numbers and positions stand for, in people's words: a token's text, a class's name, the picture's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kqv.errors import TraceError
from kqv.trace.cells import Cell, flatten

Labels = Sequence[Any]


@dataclass(frozen=True)
class _Axis:
    """Words for the positions of one dimension: one list, or one for each example of the batch."""

    labels: tuple[Any, ...]
    by_example: bool

    def at(self, position: int, example: int | None) -> str:
        labels = self.labels
        if self.by_example:
            if example is None or example >= len(labels):
                return ""
            labels = labels[example]
        return str(labels[position]) if position < len(labels) else ""


class Meanings:
    """Words for tensors, for their elements, and for the positions of dimensions."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.elements: dict[str, tuple[str, ...]] = {}
        self.sizes: dict[str, tuple[int, ...]] = {}
        self.axes: dict[tuple[str, str], _Axis] = {}

    def describe(self, name: str, text: str) -> None:
        """Say what a whole tensor is."""
        self.texts[name] = text

    def label_elements(self, name: str, labels: Labels, sizes: tuple[int, ...]) -> None:
        """Give every element of a tensor its word, nested like the tensor or in one list row by row."""
        flat = tuple(_flat(labels))
        count = 1
        for size in sizes:
            count *= size
        if len(flat) != count:
            raise TraceError(f"{name} has {count} elements {list(sizes)}, but {len(flat)} labels were given")
        self.elements[name], self.sizes[name] = flat, sizes

    def label_axis(self, name: str, dimension: str, labels: Labels) -> None:
        """Give every position of a dimension its word, in one tensor or (without a name) in all of them."""
        by_example = bool(labels) and not isinstance(labels[0], str) and isinstance(labels[0], Sequence)
        content = tuple(tuple(map(str, row)) for row in labels) if by_example else tuple(map(str, labels))
        self.axes[name, dimension] = _Axis(content, by_example)

    def of(self, cell: Cell) -> str:
        """What a cell stands for: its own word, else the words of its positions; `""` where nobody said anything."""
        own = self.elements.get(cell.name)
        if own is not None and len(cell.index) == len(self.sizes[cell.name]):
            return f"“{own[flatten(cell.index, self.sizes[cell.name])]}”"
        example = cell.index[cell.dimensions.index("batch")] if "batch" in cell.dimensions else None
        words = []
        for dimension, position in zip(cell.dimensions, cell.index, strict=False):
            axis = self.axes.get((cell.name, dimension)) or self.axes.get(("", dimension))
            word = axis.at(position, example) if axis is not None else ""
            if word:
                words.append(f"{dimension} “{word}”")
        return ", ".join(words)

    def of_position(self, name: str, dimension: str, position: int, example: int) -> str:
        """The word of one position along a dimension of a tensor; `""` without any."""
        axis = self.axes.get((name, dimension)) or self.axes.get(("", dimension))
        return "" if axis is None else axis.at(position, example)

    def of_axis(self, name: str, dimension: str, size: int, example: int) -> list[str]:
        """The words of one dimension of a tensor, for one example of the batch; empty without any."""
        axis = self.axes.get((name, dimension)) or self.axes.get(("", dimension))
        return [] if axis is None else [axis.at(position, example) for position in range(size)]

    def of_axes(self, name: str, dimensions: Sequence[str], sizes: Sequence[int]) -> dict[str, list[str]]:
        """The words of each labelled dimension of a tensor; by example only where there is one example."""
        found = {}
        for dimension, size in zip(dimensions, sizes, strict=False):
            axis = self.axes.get((name, dimension)) or self.axes.get(("", dimension))
            if axis is not None and (not axis.by_example or len(axis.labels) == 1):
                found[dimension] = [axis.at(position, 0) for position in range(size)]
        return found


def _flat(labels: Any) -> list[str]:
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        return [str(labels)]
    return [word for part in labels for word in _flat(part)]
