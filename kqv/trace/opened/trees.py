"""An expression as data: its nodes in a list, each after those that it uses.

A node is a list: its kind, then numbers of other nodes, signs, numbers, and calculations of positions
(`kqv.arithmetic.positions`), in which operands stand as their number in `Tree.sources`. JSON has no −∞ and no NaN:
these are words.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np

from kqv.arithmetic import (
    Array,
    Binary,
    Choice,
    Column,
    Constant,
    Each,
    Elements,
    Expression,
    Function,
    Named,
    Negative,
    OpenElements,
    OpenNumber,
    Power,
    Reduction,
    Total,
    When,
)
from kqv.errors import TraceError

MOST_POSITIONS = 200_000
"""A table of positions that follow no rule may have so many; with more, an expression is not written down."""


def plain(value: float) -> float | str:
    """A number for JSON."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("∞" if value > 0 else "−∞")


@dataclass
class Tree:
    """An expression written down: `nodes` (the last is the whole), `lists` of positions that a test decides, and the
    `sources` that it reads from."""

    nodes: list[Any] = field(default_factory=list)
    lists: list[Any] = field(default_factory=list)
    sources: list[Any] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    _kept: list[Expression] = field(default_factory=list)  # alive, so that no two have one id
    _listed: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, expression: Expression) -> Tree:
        """An expression and everything below it."""
        tree = cls()
        tree.add(expression)
        return tree

    def as_data(self) -> dict[str, Any]:
        """Without the sources."""
        return {"nodes": self.nodes} | ({"lists": self.lists} if self.lists else {})

    def add(self, expression: Expression) -> int:
        """The number of an expression's node."""
        number = self._numbers.get(id(expression))
        if number is None:
            node = self._node(expression)
            self.nodes.append(node)
            self._kept.append(expression)
            number = self._numbers[id(expression)] = len(self.nodes) - 1
        return number

    @singledispatchmethod
    def _node(self, expression: Expression) -> list[Any]:
        raise TraceError(f"an expression of kind {type(expression).__name__} cannot be written down")

    @_node.register
    def _(self, expression: Constant) -> list[Any]:
        return ["number", plain(expression.constant)]

    @_node.register
    def _(self, expression: OpenNumber) -> list[Any]:
        table = [plain(number) for number in expression.table] or 1
        return ["fixed", table, self._form(expression.position), self._form(expression.times)]

    @_node.register
    def _(self, expression: OpenElements) -> list[Any]:
        positions, counts = map(self._form, expression.positions), map(self._form, expression.counts)
        return ["elements", self._slot(expression.source), list(positions), list(counts)]

    @_node.register
    def _(self, expression: Elements) -> list[Any]:
        depth = len(expression.size)
        positions = [_calculation(positions, depth) for positions in expression.positions]
        return ["elements", self._slot(expression.source), positions, list(expression.size)]

    @_node.register
    def _(self, expression: Negative) -> list[Any]:
        return ["negative", self.add(expression.content)]

    @_node.register
    def _(self, expression: Binary) -> list[Any]:
        return [expression.sign, self.add(expression.left), self.add(expression.right)]

    @_node.register
    def _(self, expression: Function) -> list[Any]:
        return ["function", expression.sign, self.add(expression.argument)]

    @_node.register
    def _(self, expression: Power) -> list[Any]:
        return ["power", self.add(expression.base), expression.exponent]

    @_node.register
    def _(self, expression: Reduction) -> list[Any]:
        return ["over", expression.sign, self.add(expression.terms), expression.axes]

    @_node.register
    def _(self, expression: Total) -> list[Any]:
        return ["total", [self.add(part) for part in expression.summands]]

    @_node.register
    def _(self, expression: Each) -> list[Any]:
        return ["each", expression.number, expression.count, self._form(expression.test), self.add(expression.term)]

    @_node.register
    def _(self, expression: Named) -> list[Any]:
        return ["named", expression.symbol, self.add(expression.meaning)]

    @_node.register
    def _(self, expression: Column) -> list[Any]:
        return ["column", self.add(expression.content)]

    @_node.register
    def _(self, expression: Choice) -> list[Any]:
        parts = [self.add(part) for part in (expression.condition, expression.chosen, expression.other)]
        return ["choice", *parts, expression.name]

    @_node.register
    def _(self, expression: When) -> list[Any]:
        return ["when", self._form(expression.test.form), self.add(expression.chosen), self.add(expression.other)]

    def _slot(self, source: Any) -> int:
        for number, known in enumerate(self.sources):
            if known is source:
                return number
        self.sources.append(source)
        return len(self.sources) - 1

    def _form(self, form: Any) -> Any:
        """A calculation or a test as data."""
        if isinstance(form, Expression):
            return self.add(form)
        if isinstance(form, float):
            return plain(form)
        if not isinstance(form, tuple):
            return form
        if form[0] in ("at", "look"):
            return [form[0], self._slot(form[1]), [self._form(part) for part in form[2]]]
        if form[0] in ("list", "count"):
            return [form[0], self._list(form[1]), *(self._form(part) for part in form[2:])]
        return [self._form(part) for part in form]

    def _list(self, content: Any) -> int:
        written = [self._form(part) for part in content]
        key = json.dumps(written, allow_nan=False)
        if key not in self._listed:
            self._listed[key] = len(self.lists)
            self.lists.append(written)
        return self._listed[key]


def _calculation(positions: Array, depth: int) -> Any:
    """Positions that are known, as a calculation from the positions along the axes; as a table where none fits."""
    if positions.ndim == 0:
        return int(positions)
    axes = [(axis + depth - positions.ndim, size) for axis, size in enumerate(positions.shape)]
    if not positions.size:
        return 0
    first = int(positions.reshape(-1)[0])
    form: Any = first
    found = np.full(positions.shape, first)
    for own, (axis, size) in enumerate(axes):
        if size > 1:
            step = int(positions[tuple(int(other == own) for other in range(positions.ndim))]) - first
            found = found + (np.arange(size) * step).reshape([-1 if o == own else 1 for o in range(positions.ndim)])
            term = ["*", ["a", axis], step] if step != 1 else ["a", axis]
            form = ["+", form, term] if form and step else term if step else form
    if np.array_equal(found, positions):
        return form
    return _skipping(positions, axes) or _table(positions, axes)


def _skipping(positions: Array, axes: list[tuple[int, int]]) -> Any:
    """Rows that count from 0 and leave out one position each."""
    if positions.ndim != 2 or positions.shape[1] < 2:
        return None
    count = np.arange(positions.shape[1])
    left_out = (positions == count).sum(1)
    if not np.array_equal(positions, count + (count >= left_out[:, None])):
        return None
    skipped = ["table", left_out.tolist(), ["a", axes[0][0]]]
    return ["+", ["a", axes[1][0]], [">=", ["a", axes[1][0]], skipped]]


def _table(positions: Array, axes: list[tuple[int, int]]) -> Any:
    if positions.size > MOST_POSITIONS:
        raise TraceError(f"{positions.size} positions follow no rule, too many to be written down")
    at: Any = 0
    for axis, size in axes:
        step = ["a", axis] if size > 1 else 0
        at = step if at == 0 else ["+", ["*", at, size], step] if size > 1 else at
    return ["table", positions.reshape(-1).tolist(), at]
