"""Many numbers become one: sums, the largest, and the position of the largest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from kqv.arithmetic.expression import Array, Expression, Index, Rendering, Shape, smallest, sum_text


@dataclass(frozen=True, eq=False)
class Reduction(Expression):
    """Over the last `axes` axes of an expression: their sum, the largest, or the position of the largest (from 0)."""

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
        positions = self._flat(self.terms.values()).argmax(-1)
        return np.asarray(np.take_along_axis(scales, positions[..., None], -1)[..., 0])

    def at(self, index: Index) -> Expression:
        return Reduction(self.sign, self.terms.at(index), self.axes) if index else self

    def _shown(self, terms: int) -> tuple[list[int], list[Expression], float, int]:
        """The largest terms with their positions, the sum of the rest, and how many that are; worked out once."""
        found = self._chosen.get(terms)
        if found is None:
            values = self._flat(self.terms.values())
            keys = np.array(np.abs(values) if self.sign == "Σ" else values)
            order = smallest(np.negative(keys, out=keys), terms)
            positions = sorted(int(position) for position in order)
            parts = [self.terms.at(tuple(int(i) for i in np.unravel_index(at, self.terms.shape))) for at in positions]
            others = np.array(values).reshape(-1)
            others[order] = 0
            with np.errstate(all="ignore"):
                rest = float(others.sum())
            found = self._chosen[terms] = positions, parts, rest, values.size - len(parts)
        return found

    @cached_property
    def _chosen(self) -> dict[int, tuple[list[int], list[Expression], float, int]]:
        return {}

    @property
    def is_exact(self) -> bool:
        return self.sign == "argmax" or (self.sign == "max" and self.terms.is_exact)

    def printed(self, rendering: Rendering) -> float:
        positions, shown, more, rest = self._shown(rendering.terms)
        values = [part.printed(rendering) for part in shown]
        if self.sign == "Σ":
            return math.fsum([*values, rendering.rounded(more)] if rest else values) if _finite(values) else sum(values)
        largest = int(np.argmax(values))
        return values[largest] if self.sign == "max" else float(positions[largest])

    def text(self, rendering: Rendering) -> str:
        positions, shown, left_out, rest = self._shown(rendering.terms)
        if self.sign == "Σ":
            if len(shown) == 1 and not rest:
                return shown[0].text(rendering)
            more = f"[{rest} more: {rendering.number(left_out)}]" if rest else ""
            return sum_text(shown, more, rendering)
        texts = [part.text(rendering) for part in shown]
        if self.sign == "argmax":
            texts = [f"{position}: {text}" for position, text in zip(positions, texts, strict=True)]
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

    def _shown(self, terms: int) -> tuple[list[Expression], list[float]]:
        """The largest summands, and the values of the rest."""
        values = [part.value() for part in self.summands]
        largest = set(sorted(range(len(values)), key=lambda position: -abs(values[position]))[:terms])
        rest = [value for position, value in enumerate(values) if position not in largest]
        return [self.summands[position] for position in sorted(largest)], rest

    def printed(self, rendering: Rendering) -> float:
        shown, rest = self._shown(rendering.terms)
        values = [part.printed(rendering) for part in shown]
        return sum([*values, rendering.rounded(math.fsum(rest))] if rest else values)

    def text(self, rendering: Rendering) -> str:
        if len(self.summands) == 1:
            return self.summands[0].text(rendering)
        shown, rest = self._shown(rendering.terms)
        more = f"[{len(rest)} more: {rendering.number(math.fsum(rest))}]" if rest else ""
        return sum_text(shown, more, rendering)

    def parts(self) -> Iterator[Expression]:
        return iter(self.summands)


def _finite(values: list[float]) -> bool:
    return all(map(math.isfinite, values))


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
    """The position of the largest along the last axis of `terms`; the first of several equal ones."""
    return Reduction("argmax", terms, 1)
