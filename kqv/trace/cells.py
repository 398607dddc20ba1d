"""How a single number is written: `layers.1.z[0,7]`, `grad:layers.0.weight[out=7, in=300]`, `scores[0,8,it,pizza]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kqv.dimensions import label
from kqv.errors import TraceError

Phase = Literal["forward", "backward", "update"]

PHASES: tuple[Phase, ...] = ("forward", "backward", "update")
"""The three phases of a training step, in their order."""

_PREFIXES: dict[str, Phase] = {"": "forward", "grad": "backward", "update": "update"}
_PATTERN = re.compile(r"^(?:(?P<prefix>[a-z]+):)?(?P<name>[^\[\]:]+)(?:\[(?P<positions>[^\]]*)\])?$")
_EXAMPLES = (
    "'layers.1.z[0,7]', 'scores[batch=0, head=2, query=3, key=1]', 'grad:layers.0.weight[7,300]' "
    "or 'update:layers.0.weight[7,300]'"
)


@dataclass(frozen=True)
class Cell:
    """One number of a trace: which phase, which tensor, which position; the dimensions' names serve the text only."""

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


def flatten(index: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """The position of an element when a tensor's elements are counted row by row."""
    position = 0
    for at, size in zip(index, sizes, strict=True):
        position = position * size + at
    return position


def unflatten(position: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element at a position counted row by row."""
    index = []
    for size in reversed(sizes):
        position, at = divmod(position, size)
        index.append(at)
    return tuple(reversed(index))


Lookup = Callable[[str, str, int], int]
"""`(dimension, word, example)`: the position of a word along a dimension, in one example of the batch."""

SHARED = ("key_head", "group")
"""The two dimensions of scores whose heads of keys are shared; together they count the heads."""


@dataclass(frozen=True)
class Reading:
    """A cell as it was typed: positions with or without the names of their dimensions, in any order; a position may be
    a word that stands there."""

    text: str
    phase: Phase
    name: str
    positions: tuple[tuple[str, int | str], ...]

    def resolve(self, dimensions: Sequence[str], sizes: Sequence[int], find: Lookup | None = None) -> Cell:
        """The cell of a tensor with these dimensions and sizes; `TraceError` when it is not one element of it.

        `find` knows the words of positions. Heads that share keys may be counted through, as one position `head`.
        """
        named = [name for name, _ in self.positions if name]
        if len(set(named)) != len(named):
            raise TraceError(f"a dimension appears twice in {self.text!r}")
        if named and len(named) < len(self.positions):
            raise TraceError(f"name all dimensions in {self.text!r}, or none")
        typed = self._apart(self.positions, dimensions, sizes)
        typed = self._numbered(typed, dimensions, find)
        index = self._by_name(typed, dimensions, sizes) if named else tuple(position for _, position in typed)
        fits = len(index) == len(sizes) and all(
            0 <= position < size for position, size in zip(index, sizes, strict=True)
        )
        cell = Cell(self.phase, self.name, index, tuple(dimensions))
        if not fits:
            raise TraceError(
                f"{self.text!r} is not one element of {self._shape(dimensions, sizes)}; {self._hint(cell, sizes)}"
            )
        return cell

    def _apart(
        self, typed: tuple[tuple[str, int | str], ...], dimensions: Sequence[str], sizes: Sequence[int]
    ) -> tuple[tuple[str, int | str], ...]:
        """The positions with a head that counts through as its head of keys and its number within that group."""
        names = [name for name, _ in typed]
        if tuple(dimensions[1:3]) != SHARED or not (
            "head" in names or (len(typed) == len(sizes) - 1 and not any(names))
        ):
            return typed
        at = names.index("head") if "head" in names else 1
        head = typed[at][1]
        if isinstance(head, str) or not 0 <= head < sizes[1] * sizes[2]:
            heads = sizes[1] * sizes[2]
            raise TraceError(f"{self.text!r}: {self.name} has the heads 0 to {heads - 1}; got {head}")
        parted = divmod(head, sizes[2])
        both = zip(SHARED if names[at] else ("", ""), parted, strict=True)
        return (*typed[:at], *both, *typed[at + 1 :])

    def _numbered(
        self, typed: tuple[tuple[str, int | str], ...], dimensions: Sequence[str], find: Lookup | None
    ) -> tuple[tuple[str, int], ...]:
        """The positions with numbers in place of words."""
        found: list[tuple[str, int]] = []
        axes = [
            name or dimension for (name, _), dimension in zip(typed, [*dimensions, *[""] * len(typed)], strict=False)
        ]
        example = dict(zip(axes, (position for _, position in typed), strict=True)).get("batch", 0)
        for (name, position), dimension in zip(typed, axes, strict=True):
            if isinstance(position, str):
                if find is None or not dimension or isinstance(example, str):
                    raise TraceError(
                        f"cannot read the positions in {self.text!r}; expected whole numbers, as in {_EXAMPLES}"
                    )
                position = find(dimension, position, example)
            found.append((name, position))
        return tuple(found)

    def _by_name(
        self, typed: tuple[tuple[str, int], ...], dimensions: Sequence[str], sizes: Sequence[int]
    ) -> tuple[int, ...]:
        """Positions in the tensor's order; a dimension of size 1 may be left out."""
        given = dict(typed)
        unknown = [name for name in given if name not in dimensions]
        missing = [name for name, size in zip(dimensions, sizes, strict=False) if name not in given and size != 1]
        if not dimensions:
            raise TraceError(
                f"the dimensions of {self.name}{list(sizes)} have no names; write the index as numbers in order"
            )
        if unknown or missing:
            wrong = f"has no dimension {unknown[0]!r}" if unknown else f"also needs a position for {missing[0]!r}"
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
        return f"positions count from 0 to the size less one, the last is {last}"


def _advice(prefix: str, text: str) -> str:
    """What to write in place of a prefix that does not exist."""
    meant = next((known for known in _PREFIXES if known and known[:2] == prefix[:2]), "")
    if meant:
        return f"the prefix {prefix}: does not exist; write '{meant}{text[len(prefix) :]}'"
    return f"the prefix {prefix}: does not exist; before a name can stand grad:, update: or nothing"


def read_cell(text: str) -> Reading:
    """Read a cell as typed; raises `TraceError` with examples when it cannot be read."""
    match = _PATTERN.match(text.strip())
    prefix = (match["prefix"] or "") if match else ""
    if match is None:
        raise TraceError(f"cannot read the cell {text!r}; write a name and its positions, as in {_EXAMPLES}")
    if prefix not in _PREFIXES:
        raise TraceError(f"cannot read the cell {text!r}: {_advice(prefix, text.strip())}, as in {_EXAMPLES}")
    items = [item.partition("=") for item in (match["positions"] or "").split(",") if item.strip()]
    positions = tuple(
        (name.strip(), _position(position)) if equals else ("", _position(name)) for name, equals, position in items
    )
    return Reading(text, _PREFIXES[prefix], match["name"].strip(), positions)


def _position(text: str) -> int | str:
    """A number, or the word that stands at a position."""
    try:
        return int(text)
    except ValueError:
        return text.strip()
