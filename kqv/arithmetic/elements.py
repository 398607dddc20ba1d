"""Operands: a recorded tensor, and the elements of it that an expression uses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from kqv.arithmetic.expression import Array, Expression, Index, Rendering, Shape
from kqv.arithmetic.open import open_elements, picked, same, those
from kqv.arithmetic.positions import Whole, as_positions, form_of, is_open


class Source(Protocol):
    """What an operand reads from: a recorded tensor."""

    @property
    def shape(self) -> Shape: ...

    def label(self, index: Index) -> str:
        """Name of one element, such as `layers.0.a[0, 7]`."""

    def read(self, axes: Sequence[Array]) -> Array:
        """The elements at the outer product of `axes` (one array of positions for each axis), as float64."""


class Choosing(Source, Protocol):
    """A source of whole numbers (ids, targets), which decide what is computed; it may keep which were asked for."""

    def integer(self, index: Index) -> int:
        """One whole number."""

    def positions_of(self, value: int) -> Sequence[Index]:
        """The positions that have this value."""


@dataclass(frozen=True)
class Operand:
    """One tensor of an operation's call.

    `operand[index]` takes elements as a grid: each of the integers, slices, `...` and integer arrays in `index` says
    which positions of one axis. `operand.pick(rows, columns)` takes them one by one: positions that belong together
    have the same index in their arrays, which broadcast.
    """

    source: Source

    @property
    def shape(self) -> Shape:
        """Sizes of the tensor's axes."""
        return self.source.shape

    def __getitem__(self, index: Any) -> Expression:
        index = index if isinstance(index, tuple) else (index,)
        gap = next((at for at, item in enumerate(index) if item is Ellipsis), None)
        if gap is not None:
            index = (*index[:gap], *[slice(None)] * (len(self.shape) - len(index) + 1), *index[gap + 1 :])
        if len(index) != len(self.shape):
            raise IndexError(f"{len(index)} positions given for {len(self.shape)} axes {list(self.shape)}")
        if is_open(index):
            items = [
                item if isinstance(item, (int, np.integer, Whole)) else as_positions(item, size)
                for item, size in zip(index, self.shape, strict=True)
            ]
            return open_elements(self.source, items)
        kept = sum(not isinstance(item, (int, np.integer)) for item in index)
        positions: list[Array] = []
        shape: list[int] = []
        for item, size in zip(index, self.shape, strict=True):
            if isinstance(item, (int, np.integer)):
                positions.append(_position(int(item), size))
            else:
                chosen = np.arange(size)[item]
                positions.append(chosen.reshape((-1,) + (1,) * (kept - len(shape) - 1)))
                shape.append(len(chosen))
        return Elements(self.source, tuple(positions), tuple(shape))

    def pick(self, *positions: Any) -> Expression:
        """The elements at positions that are given for each axis and broadcast against each other."""
        if len(positions) != len(self.shape):
            raise IndexError(f"{len(positions)} positions given for {len(self.shape)} axes {list(self.shape)}")
        if is_open(positions):
            return picked(self.source, positions)
        arrays = tuple(np.asarray(position) for position in positions)
        return Elements(self.source, arrays, np.broadcast_shapes(*(array.shape for array in arrays)))

    def integer(self, index: tuple[Any, ...]) -> Any:
        """One whole number (an id, a target), which decides what is computed."""
        if is_open(index):
            return Whole(("at", self.source, tuple(map(form_of, index))))
        return cast(Choosing, self.source).integer(index)

    def look(self, index: tuple[Any, ...]) -> Any:
        """One number, for a question about it (`below`, `same`)."""
        if is_open(index):
            return Whole(("look", self.source, tuple(map(form_of, index))))
        return float(self[index].values())

    def positions_of(self, value: Any) -> tuple[Any, ...]:
        """Where a tensor of whole numbers has this value: for each of its axes the positions, which belong together."""
        if isinstance(value, Whole):
            return self._open_positions_of(value)
        found = list(cast(Choosing, self.source).positions_of(value))
        return tuple(np.array(found, dtype=np.int64).reshape(len(found), len(self.shape)).T)

    def _open_positions_of(self, value: Whole) -> tuple[Any, ...]:
        def at(flat: Any) -> tuple[Any, ...]:
            found = []
            for size in reversed(self.shape):
                found.append(flat % size)
                flat = flat // size
            return tuple(reversed(found))

        def told(flat: Any) -> Any:
            return self.integer(at(flat))

        listed = those(math.prod(self.shape), lambda flat: same(self.look(at(flat)), value), told)
        return at(listed)


def _position(position: int, size: int) -> Array:
    if not -size <= position < size:
        raise IndexError(f"position {position} of an axis of size {size}")
    return np.asarray(position % size)


@dataclass(frozen=True, eq=False)
class Elements(Expression):
    """Elements of one tensor: positions along each of its axes, as arrays that broadcast to the expression's shape."""

    source: Source
    positions: tuple[Array, ...]
    size: Shape

    def _shaped(self) -> Shape:
        return self.size

    def _evaluated(self) -> Array:
        # the source reads grids: read the smallest one that has all the positions, and take them from it
        axes, spots = [], []
        for position in self.positions:
            axis, spot = np.unique(position, return_inverse=True)
            axes.append(axis)
            spots.append(spot.reshape(position.shape))
        grid = self.source.read(axes)
        return (
            grid.reshape(self.size) if _is_whole(spots, self.size) else np.broadcast_to(grid[tuple(spots)], self.size)
        )

    def at(self, index: Index) -> Expression:
        if not index:
            return self
        positions = tuple(_restricted(position, index, len(self.size)) for position in self.positions)
        return Elements(self.source, positions, self.size[len(index) :])

    def label(self) -> str:
        """Name of the one element, such as `layers.0.a[0, 7]`."""
        return self.source.label(tuple(int(position) for position in self.positions))

    def labelled(self) -> Iterator[tuple[str, float]]:
        """Name and value of every element, in order."""
        every = [np.broadcast_to(position, self.size).reshape(-1).tolist() for position in self.positions]
        indices = zip(*every, strict=True) if every else iter([()])
        for index, value in zip(indices, self.values().reshape(-1).tolist(), strict=True):
            yield self.source.label(index), value

    def text(self, rendering: Rendering) -> str:
        value, label = self.value(), self.label()
        rendering.sources[label] = value
        rendering.keep(label)
        return rendering.number(value)

    @property
    def is_plain(self) -> bool:
        return True

    @property
    def is_exact(self) -> bool:
        return True


def _is_whole(spots: list[Array], size: Shape) -> bool:
    """Whether all of a grid is taken, each of its axes in order along an axis of its own."""
    last, count = -1, 1
    for spot in spots:
        along = [axis + len(size) - spot.ndim for axis, many in enumerate(spot.shape) if many > 1]
        if len(along) > 1 or (along and along[0] <= last) or not np.array_equal(spot.reshape(-1), np.arange(spot.size)):
            return False
        last, count = along[0] if along else last, count * spot.size
    return count == math.prod(size)


def _restricted(position: Array, index: Index, depth: int) -> Array:
    """An array of positions that broadcasts to `depth` axes, at one position of the leading ones."""
    missing = depth - position.ndim
    own = tuple(0 if size == 1 else at for size, at in zip(position.shape, index[missing:], strict=False))
    return np.asarray(position[own])
