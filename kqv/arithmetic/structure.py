"""What leaves numbers as they are: names for intermediate results, columns, and choices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kqv.arithmetic.expression import Array, Expression, Index, Rendering, Shape, part_at


@dataclass(frozen=True, eq=False)
class Named(Expression):
    """An intermediate result with a symbol of its own; shown as its number, its arithmetic on a line of its own."""

    symbol: str
    meaning: Expression

    def _shaped(self) -> Shape:
        return self.meaning.shape

    def _evaluated(self) -> Array:
        return self.meaning.values()

    def _measured(self) -> Array:
        return self.meaning.scale()

    def at(self, index: Index) -> Expression:
        return Named(self.symbol, self.meaning.at(index)) if index else self

    def text(self, rendering: Rendering) -> str:
        value = self.value()
        rendering.named.setdefault((self.symbol, value), self.meaning)
        rendering.keep((self.symbol, value))
        return rendering.number(value)

    def _summed(self) -> Array:
        return self.meaning._summed()

    @property
    def is_exact(self) -> bool:
        return self.meaning.is_exact

    def parts(self) -> Iterator[Expression]:
        return iter((self.meaning,))


@dataclass(frozen=True, eq=False)
class Column(Expression):
    """The same numbers with a last axis of size one behind them, so that they broadcast along rows."""

    content: Expression

    @property
    def strength(self) -> int:
        return self.content.strength

    def _shaped(self) -> Shape:
        return (*self.content.shape, 1)

    def _evaluated(self) -> Array:
        return self.content.values()[..., None]

    def _measured(self) -> Array:
        return self.content.scale()[..., None]

    def at(self, index: Index) -> Expression:
        depth = len(self.content.shape)
        inner = self.content.at(index[:depth])
        return inner if len(index) > depth else Column(inner)

    def text(self, rendering: Rendering) -> str:
        return self.content.text(rendering)

    def printed(self, rendering: Rendering) -> float:
        return self.content.printed(rendering)

    def _summed(self) -> Array:
        return self.content._summed()[..., None]

    @property
    def is_exact(self) -> bool:
        return self.content.is_exact

    def parts(self) -> Iterator[Expression]:
        return iter((self.content,))


@dataclass(frozen=True, eq=False)
class Choice(Expression):
    """`chosen` where the condition's number is above zero, else `other`; `name` says what a yes-or-no condition is."""

    condition: Expression
    chosen: Expression
    other: Expression
    name: str = ""

    @property
    def strength(self) -> int:
        return 0

    def _shaped(self) -> Shape:
        return np.broadcast_shapes(self.condition.shape, self.chosen.shape, self.other.shape)

    def _evaluated(self) -> Array:
        return np.where(self.condition.values() > 0, self.chosen.values(), self.other.values())

    def _measured(self) -> Array:
        return np.where(self.condition.values() > 0, self.chosen.scale(), self.other.scale())

    def at(self, index: Index) -> Expression:
        depth = len(self.shape)
        if not index:
            return self
        condition, chosen, other = (part_at(part, index, depth) for part in (self.condition, self.chosen, self.other))
        return Choice(condition, chosen, other, self.name)

    def text(self, rendering: Rendering) -> str:
        holds = self.condition.value() > 0
        chosen = (self.chosen if holds else self.other).text(rendering)
        condition = self.condition.text(rendering)
        if self.name:
            return f"{chosen} because {self.name} = {condition}"
        return f"{chosen} because {condition} {'> 0' if holds else '≤ 0'}"

    def printed(self, rendering: Rendering) -> float:
        return (self.chosen if self.condition.value() > 0 else self.other).printed(rendering)

    @property
    def is_exact(self) -> bool:
        return self.chosen.is_exact and self.other.is_exact

    def parts(self) -> Iterator[Expression]:
        return iter((self.condition, self.chosen, self.other))
