"""The sizes that an operation's inputs must share, worked out once from the names of their axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from torch import Tensor

from kqv.errors import DimensionError

Shape = tuple[int, ...]

_REMEMBERED = 4096  # sizes that each operation keeps as checked; generation brings new ones with every token


class Sizes:
    """Checks sizes against dimensions such as `{"x": "... in", "weight": "out in"}`.

    An axis has one size wherever its name stands. The leading axes `...` are the same in all inputs that have them,
    but for those in `repeated`: these are repeated along axes that they lack or that have size 1 (broadcasting).
    """

    def __init__(
        self, name: str, inputs: Sequence[str], dimensions: Mapping[str, str], repeated: Sequence[str]
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.dimensions = dimensions
        axes = [dimensions[name].split() for name in inputs]
        self._open = [names[:1] == ["..."] for names in axes]
        self._named = [[axis for axis in names if axis != "..."] for names in axes]
        self._passed: set[tuple[Shape | None, ...]] = set()  # a training asks for the same sizes at every step
        self._repeated = [position for position, name in enumerate(inputs) if name in repeated]
        self._leading = [
            pair
            for pair in combinations(range(len(inputs)), 2)
            if self._open[pair[0]] and self._open[pair[1]] and not set(pair) & set(self._repeated)
        ]
        self._ties = [
            (axis, first, names.index(axis) - len(names), second, others.index(axis) - len(others))
            for (first, names), (second, others) in combinations(enumerate(self._named), 2)
            for axis in names
            if axis in others
        ]

    def check(self, inputs: Sequence[Tensor | None]) -> None:
        """Raise a `DimensionError` that names the clashing dimension and both inputs, for sizes that do not fit."""
        given = tuple([None if tensor is None else tensor.shape for tensor in inputs])
        if given in self._passed:
            return
        self._check(given)
        if len(self._passed) < _REMEMBERED:
            self._passed.add(given)

    def _check(self, given: tuple[Shape | None, ...]) -> None:
        shapes = [None if shape is None else tuple(shape) for shape in given]
        shapes += [None] * (len(self.inputs) - len(shapes))
        for position, shape in enumerate(shapes):
            if shape is not None:
                least = len(self._named[position])
                if len(shape) < least or (len(shape) > least and not self._open[position]):
                    raise self._count_error(position, shape)
        for axis, first, at, second, there in self._ties:
            one, other = shapes[first], shapes[second]
            if one is not None and other is not None and one[at] != other[there]:
                raise self._error(f"dimension {axis!r} is", one[at], first, one, other[there], second, other)
        for first, second in self._leading:
            one, other = shapes[first], shapes[second]
            if one is not None and other is not None:
                lead = one[: len(one) - len(self._named[first])]
                others = other[: len(other) - len(self._named[second])]
                if lead != others:
                    raise self._error("the leading axes are", list(lead), first, one, list(others), second, other)

    def check_repeated(self, inputs: Sequence[Tensor | None]) -> None:
        """Raise a `DimensionError` where leading axes of repeated inputs are neither equal nor 1."""
        for (first, one), (second, other) in combinations([(at, inputs[at]) for at in self._repeated], 2):
            if one is None or other is None:
                continue
            lead = one.shape[: one.dim() - len(self._named[first])]
            others = other.shape[: other.dim() - len(self._named[second])]
            for back, (size, its) in enumerate(zip(reversed(lead), reversed(others), strict=False), start=1):
                if size != its and 1 not in (size, its):
                    words = f"leading axis −{back} (1 or the same in both) is"
                    raise self._error(words, size, first, tuple(one.shape), its, second, tuple(other.shape))

    def _text(self, position: int, shape: Shape) -> str:
        return f"{self.inputs[position]}{list(shape)}"

    def _wanted(self, position: int) -> str:
        name = self.inputs[position]
        return f"{name}[{self.dimensions[name].replace(' ', ', ')}]"

    def _error(
        self, words: str, size: object, first: int, one: Shape, its: object, second: int, other: Shape
    ) -> DimensionError:
        return DimensionError(
            f"{self.name}: {words} {size} in {self._text(first, one)} but {its} in {self._text(second, other)}; "
            f"expected {self._wanted(first)} and {self._wanted(second)}"
        )

    def _count_error(self, position: int, shape: Shape) -> DimensionError:
        least = len(self._named[position])
        return DimensionError(
            f"{self.name}: {self._text(position, shape)} has {len(shape)} axes, expected "
            f"{'at least ' if self._open[position] else ''}{least}: {self._wanted(position)}"
        )
