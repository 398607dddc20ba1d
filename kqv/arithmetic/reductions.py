"""Many numbers become one: sums, the largest, and the place of the largest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from kqv.arithmetic.expression import Array, Expression, Index, Rendering, Shape, number, sum_text


@dataclass(frozen=True, eq=False)
class Reduction(Expression):
    """Over the last `axes` axes of an expression: their sum, the largest, or the place of the largest (from 0)."""

    sign: Literal["Σ", "max", "argmax"]
    terms: Expression
    axes: int

    @property
    def strength(self) -> int:
        if self.sign != "Σ" or self._count == 0:
            return 9
        return 1 if self._count > 1 else self.terms.strength

    @cached_property
    def _count(self) -> int:
        return math.prod(self.terms.shape[len(self.terms.shape) - self.axes :])

    def _shaped(self) -> Shape:
        return self.terms.shape[: len(self.terms.shape) - self.axes]

    def _flat(self, values: Array) -> Array:
        return np.broadcast_to(values, self.terms.shape).reshape(*self.shape, self._count)

    def _evaluated(self) -> Array:
        flat = self._flat(self.terms.values())
        if self.sign == "Σ":
            return np.asarray(flat.sum(-1))
        return np.asarray(flat.max(-1) if self.sign == "max" else flat.argmax(-1))

    def _measured(self) -> Array:
        if self.sign == "argmax":
            return np.abs(self.values())
        scales = self._flat(self.terms.scale())
        if self.sign == "Σ":
            return np.asarray(scales.sum(-1))
        places = self._flat(self.terms.values()).argmax(-1)
        return np.asarray(np.take_along_axis(scales, places[..., None], -1)[..., 0])

    def at(self, index: Index) -> Expression:
        return Reduction(self.sign, self.terms.at(index), self.axes) if index else self

    def text(self, rendering: Rendering) -> str:
        values = self._flat(self.terms.values())
        order = np.argsort(-np.abs(values) if self.sign == "Σ" else -values, kind="stable")[: rendering.terms]
        places = sorted(int(place) for place in order)
        shown = [self.terms.at(tuple(int(i) for i in np.unravel_index(place, self.terms.shape))) for place in places]
        rest = values.size - len(shown)
        if self.sign == "Σ":
            if values.size == 1:
                return shown[0].text(rendering)
            more = f"[{rest} more: {number(np.delete(values, order).sum())}]" if rest else ""
            return sum_text(shown, more, rendering)
        texts = [part.text(rendering) for part in shown]
        if self.sign == "argmax":
            texts = [f"{place}: {text}" for place, text in zip(places, texts, strict=True)]
        return f"{self.sign}({', '.join(texts)}{f', … {rest} smaller' if rest else ''})"

    def parts(self) -> Iterator[Expression]:
        return iter((self.terms,))


@dataclass(frozen=True, eq=False)
class Total(Expression):
    """Sum of separate expressions without axes, each with arithmetic of its own."""

    summands: tuple[Expression, ...]

    @property
    def strength(self) -> int:
        return 1 if len(self.summands) > 1 else max((part.strength for part in self.summands), default=9)

    def _evaluated(self) -> Array:
        return np.asarray(math.fsum(part.value() for part in self.summands))

    def _measured(self) -> Array:
        return np.asarray(math.fsum(float(part.scale()) for part in self.summands))

    def text(self, rendering: Rendering) -> str:
        values = [part.value() for part in self.summands]
        if len(values) == 1:
            return self.summands[0].text(rendering)
        largest = set(sorted(range(len(values)), key=lambda place: -abs(values[place]))[: rendering.terms])
        rest = [value for place, value in enumerate(values) if place not in largest]
        more = f"[{len(rest)} more: {number(math.fsum(rest))}]" if rest else ""
        return sum_text([self.summands[place] for place in sorted(largest)], more, rendering)

    def parts(self) -> Iterator[Expression]:
        return iter(self.summands)


def Sum(terms: Expression, axes: int | None = None) -> Expression:
    """Σ over the last `axes` axes of `terms`; over all of them when `axes` is None."""
    return Reduction("Σ", terms, len(terms.shape) if axes is None else axes)


def Mean(terms: Expression) -> Expression:
    """Σ over all axes of `terms`, divided by their number."""
    return Sum(terms) / float(max(1, math.prod(terms.shape)))


def Max(terms: Expression, axes: int | None = None) -> Expression:
    """The largest over the last `axes` axes of `terms`; over all of them when `axes` is None."""
    return Reduction("max", terms, len(terms.shape) if axes is None else axes)


def Argmax(terms: Expression) -> Expression:
    """The place of the largest along the last axis of `terms`; the first of several equal ones."""
    return Reduction("argmax", terms, 1)
