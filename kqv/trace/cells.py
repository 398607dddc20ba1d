"""How a single number is written: `layers.1.z[0,7]`, `grad:layers.0.weight[out=7, in=300]`, `update:…`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kqv.dimensions import label
from kqv.errors import TraceError

Phase = Literal["forward", "backward", "update"]

PHASES: tuple[Phase, ...] = ("forward", "backward", "update")
"""The three phases of a training step, in their order."""

_PREFIXES: dict[str, Phase] = {"": "forward", "grad": "backward", "update": "update"}
_PATTERN = re.compile(r"^(?:(?P<prefix>[a-z]+):)?(?P<name>[^\[\]:]+)(?:\[(?P<places>[^\]]*)\])?$")
_EXAMPLES = (
    "'layers.1.z[0,7]', 'scores[batch=0, head=2, query=3, key=1]', 'grad:layers.0.weight[7,300]' "
    "or 'update:layers.0.weight[7,300]'"
)


@dataclass(frozen=True)
class Cell:
    """One number of a trace: which phase, which tensor, which place; the dimensions' names serve the text only."""

    phase: Phase
    name: str
    index: tuple[int, ...]
    dimensions: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        prefix = {"forward": "", "backward": "grad:", "update": "update:"}[self.phase]
        if not self.index:
            return f"{prefix}{self.name}"
        if len(self.dimensions) == len(self.index):
            return f"{prefix}{self.name}{label(self.dimensions, self.index)}"
        return f"{prefix}{self.name}[{', '.join(map(str, self.index))}]"


@dataclass(frozen=True)
class Reading:
    """A cell as it was typed: places with or without the names of their dimensions, in any order."""

    text: str
    phase: Phase
    name: str
    places: tuple[tuple[str, int], ...]

    def resolve(self, dimensions: Sequence[str], sizes: Sequence[int]) -> Cell:
        """The cell of a tensor with these dimensions and sizes; `TraceError` when it is not one element of it."""
        named = [name for name, _ in self.places if name]
        if len(set(named)) != len(named):
            raise TraceError(f"a dimension stands twice in {self.text!r}")
        if named and len(named) < len(self.places):
            raise TraceError(f"name all dimensions in {self.text!r}, or none")
        index = self._by_name(dimensions, sizes) if named else tuple(place for _, place in self.places)
        fits = len(index) == len(sizes) and all(0 <= place < size for place, size in zip(index, sizes, strict=True))
        cell = Cell(self.phase, self.name, index, tuple(dimensions))
        if not fits:
            raise TraceError(
                f"{self.text!r} is not one element of {self._shape(dimensions, sizes)}; {self._hint(cell, sizes)}"
            )
        return cell

    def _by_name(self, dimensions: Sequence[str], sizes: Sequence[int]) -> tuple[int, ...]:
        """Places in the tensor's order; a dimension of size 1 may be left out."""
        given = dict(self.places)
        unknown = [name for name in given if name not in dimensions]
        missing = [name for name, size in zip(dimensions, sizes, strict=False) if name not in given and size != 1]
        if not dimensions:
            raise TraceError(
                f"nobody named the dimensions of {self.name}{list(sizes)}; write its places as numbers in their order"
            )
        if unknown or missing:
            wrong = f"has no dimension {unknown[0]!r}" if unknown else f"also needs a place for {missing[0]!r}"
            raise TraceError(f"{self.text!r}: {self._shape(dimensions, sizes)} {wrong}")
        return tuple(given.get(name, 0) for name in dimensions)

    def _shape(self, dimensions: Sequence[str], sizes: Sequence[int]) -> str:
        return f"{self.name}{label(dimensions, sizes) if len(dimensions) == len(sizes) else list(sizes)}"

    def _hint(self, cell: Cell, sizes: Sequence[int]) -> str:
        if 0 in sizes:
            return "it is empty"
        if not sizes:
            return f"it is a single number, written {self.name!r}"
        last = Cell(cell.phase, cell.name, tuple(size - 1 for size in sizes), cell.dimensions)
        return f"places count from 0 to the size less one, the last is {last}"


def read_cell(text: str) -> Reading:
    """Read a cell as typed; raises `TraceError` with examples when it cannot be read."""
    match = _PATTERN.match(text.strip())
    prefix = (match["prefix"] or "") if match else ""
    if match is None or prefix not in _PREFIXES:
        raise TraceError(f"cannot read the cell {text!r}; write a name and its places, as in {_EXAMPLES}")
    items = [item.partition("=") for item in (match["places"] or "").split(",") if item.strip()]
    try:
        places = tuple((name.strip(), int(place)) if equals else ("", int(name)) for name, equals, place in items)
    except ValueError:
        raise TraceError(f"cannot read the places in {text!r}; expected whole numbers, as in {_EXAMPLES}") from None
    return Reading(text, _PREFIXES[prefix], match["name"].strip(), places)
