"""Arithmetic whose index is left open: one expression for every element of a tensor.

Where a derivation depends on a position or on a recorded number, it decides with `when` and a test. With numbers for
positions these decide at once, so that the arithmetic of one element is the same as ever; with open positions they
become expressions that choose as soon as the index is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kqv.arithmetic.expression import Array, Constant, Expression, Shape
from kqv.arithmetic.positions import (
    CANDIDATE,
    EACH,
    Form,
    Position,
    Positions,
    Whole,
    as_positions,
    form_of,
    is_open,
    replaced,
)
from kqv.arithmetic.reductions import Total

Lazy = Expression | float | Callable[[], Expression]


class OpenExpression(Expression):
    """An expression that has a number only once its index is known."""

    @property
    def is_open(self) -> bool:
        return True

    def _evaluated(self) -> Array:
        raise TypeError("this arithmetic is open: it has a number for an index only")


@dataclass(frozen=True, eq=False)
class OpenElements(OpenExpression):
    """Elements of one tensor, each of whose positions is a calculation."""

    source: Any
    positions: tuple[Form, ...]
    counts: tuple[Form, ...]
    size: Shape

    def _shaped(self) -> Shape:
        return self.size


@dataclass(frozen=True, eq=False)
class OpenNumber(OpenExpression):
    """A fixed number of the formula that depends on the index: one of a table (or 1), times a whole number (or 1)."""

    table: tuple[float, ...]
    position: Form
    times: Form


@dataclass(frozen=True)
class Test:
    """A question that is answered when the index is known.

    `form`: `("<", a, b)`, `("=", a, b)` between calculations, `("and", s, t)`, `("not", s)`; of expressions
    `("value=", x, y)`, `("value>", x, y)` and `("nan", x)`.
    """

    form: Form

    def __bool__(self) -> bool:
        raise TypeError("this question has no answer before the index is known: decide with when(…)")


Answer = bool | Test


@dataclass(frozen=True, eq=False)
class When(OpenExpression):
    """`chosen` where the test is passed, else `other`."""

    test: Test
    chosen: Expression
    other: Expression

    def _shaped(self) -> Shape:
        return self.chosen.shape or self.other.shape

    @property
    def strength(self) -> int:
        return 0

    def parts(self) -> Iterator[Expression]:
        return iter((self.chosen, self.other))


@dataclass(frozen=True, eq=False)
class Each(OpenExpression):
    """Sum of separate terms, one for each position from 0 to `count` − 1 that passes a test; that is variable
    `number` in the term."""

    number: int
    count: int
    test: Form
    term: Expression

    def parts(self) -> Iterator[Expression]:
        return iter((self.term,))


def when(answer: Answer, chosen: Lazy, other: Lazy) -> Expression:
    """`chosen` or `other`; each an expression, or a function that builds it."""
    if isinstance(answer, Test):
        return When(answer, _built(chosen), _built(other))
    return _built(chosen if answer else other)


def _built(content: Lazy) -> Expression:
    if isinstance(content, Expression):
        return content
    return content() if callable(content) else Constant(float(content))


def same(one: Position | float, other: Position | float) -> Answer:
    """Whether two positions (or a number that was looked up and one) are the same."""
    return _asked("=", one, other)


def below(one: Position | float, other: Position | float) -> Answer:
    """The same for smaller."""
    return _asked("<", one, other)


def _asked(sign: str, one: Position | float, other: Position | float) -> Answer:
    if isinstance(one, Whole) or isinstance(other, Whole):
        return Test((sign, form_of(one), form_of(other)))
    return one == other if sign == "=" else one < other


def both(*answers: Answer | Callable[[], Answer]) -> Answer:
    """Whether all answers are yes; one that is a function is asked only after those before it."""
    found: Answer = True
    for item in answers:
        answer = item() if callable(item) else item
        if answer is False:
            return False
        if answer is not True:
            found = answer if found is True else Test(("and", _form(found), _form(answer)))
    return found


def negated(answer: Answer) -> Answer:
    """The opposite answer."""
    return Test(("not", answer.form)) if isinstance(answer, Test) else not answer


def _form(answer: Answer) -> Form:
    assert isinstance(answer, Test)
    return answer.form


def equals(one: Expression, other: Expression | float) -> Answer:
    """Whether an expression's number is another one."""
    return _compared("value=", one, other)


def exceeds(one: Expression, other: Expression | float) -> Answer:
    """Whether an expression's number is larger than another one."""
    return _compared("value>", one, other)


def _compared(sign: str, one: Expression, other: Expression | float) -> Answer:
    other = other if isinstance(other, Expression) else Constant(float(other))
    if one.is_open or other.is_open:
        return Test((sign, one, other))
    return one.value() == other.value() if sign == "value=" else one.value() > other.value()


def is_nan(one: Expression) -> Answer:
    """Whether an expression is NaN."""
    return Test(("nan", one)) if one.is_open else math.isnan(one.value())


def fixed(
    position: Position, count: int = 0, table: Callable[[int], float] | None = None, times: Position = 1
) -> Expression:
    """A fixed number of the formula that a position decides: `table(position)·times`; without a table the position
    itself. `count`: how many positions there are."""
    if table is None:
        return Constant(float(position)) if isinstance(position, int) else OpenNumber((), 0, position.form)
    if isinstance(position, int) and isinstance(times, int):
        return Constant(table(position) * float(times) if times != 1 else float(table(position)))
    return OpenNumber(tuple(float(table(at)) for at in range(count)), form_of(position), form_of(times))


_reached = 0


def each_of(
    count: int, index: Iterable[Any], passes: Callable[[Any], Answer], term: Callable[[Any], Expression]
) -> Expression:
    """Sum of separate terms, one for each position from 0 to `count` − 1 that passes, for the element at `index`."""
    global _reached
    if not is_open(index):
        return Total(tuple(term(position) for position in range(count) if passes(position)))
    _reached += 1
    try:
        variable = Whole(("v", _reached))
        answer = passes(variable)
        return Each(_reached, count, answer.form if isinstance(answer, Test) else int(answer), term(variable))
    finally:
        _reached -= 1


def those(count: int, passes: Callable[[Any], Answer], told: Callable[[Any], Any] | None = None) -> Any:
    """The positions from 0 to `count` − 1 that pass; `told` gives the recorded whole number at each, which decides."""
    if not count or not isinstance(passes(0), Test):
        return np.array([position for position in range(count) if passes(position)], dtype=np.int64)
    candidate = Whole(CANDIDATE)
    found = (count, _form(passes(candidate)), None if told is None else form_of(told(candidate)))
    return Positions(("count", found), count, ("list", found, EACH))


def open_elements(source: Any, items: list[Any]) -> OpenElements:
    """Elements at positions of which some are open: one position, or `Positions` (an axis of their own), for each axis
    of the tensor."""
    forms: list[Form] = []
    counts: list[Form] = []
    size: list[int] = []
    for item in items:
        if isinstance(item, Positions):
            forms.append(replaced(item.each, EACH, ("a", len(counts))))
            counts.append(item.count)
            size.append(item.most)
        else:
            forms.append(form_of(item))
    return OpenElements(source, tuple(forms), tuple(counts), tuple(size))


def picked(source: Any, positions: tuple[Any, ...]) -> OpenElements:
    """Elements one by one, at positions that belong together and stand on one axis."""
    several = [as_positions(item) for item in positions if not isinstance(item, (int, np.integer, Whole))]
    forms = [
        form_of(item)
        if isinstance(item, (int, np.integer, Whole))
        else replaced(as_positions(item).each, EACH, ("a", 0))
        for item in positions
    ]
    return OpenElements(source, tuple(forms), (several[0].count,), (several[0].most,))
