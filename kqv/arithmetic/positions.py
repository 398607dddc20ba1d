"""Positions that are left open: whole numbers of which only the calculation is known until an index is chosen.

A derivation that is called with `OpenIndex` in place of numbers calculates with its positions as ever (i + k, i·stride,
i // n, i % n) and gives the arithmetic of every element at once. Where its way depends on a position or on recorded
numbers, it says so with a `Test` (see `kqv.arithmetic.open`) in place of Python's `if`.

`form` is the calculation as plain data: a whole number; `("i", k)`, position k of the index; `("a", k)`, the position
along axis k of the elements; `("e",)`, the one that stands for each of some `Positions`; `("r",)`, the candidate of a
list; `("v", k)`, the position that a sum of separate terms has reached; a sign with two forms; `("at", source, forms)`,
a recorded whole number; `("list", (count, test, told), form)`, one of the positions from 0 to count − 1 that pass a
test; `("count", …)`, how many these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Form = Any
EACH: Form = ("e",)
CANDIDATE: Form = ("r",)

_EXACT: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "min": min,
    "max": max,
    ">=": lambda a, b: int(a >= b),
}


def _calculated(sign: str, left: Form, right: Form) -> Form:
    if isinstance(left, int) and isinstance(right, int):
        return _EXACT[sign](left, right)
    if (sign in "+-" and right == 0) or (sign in ("*", "//") and right == 1):
        return left
    if (sign == "+" and left == 0) or (sign == "*" and left == 1):
        return right
    return sign, left, right


class _Calculating:
    """Signs between whole numbers of which at least one is open."""

    __array_ufunc__ = None  # an array + this is for this class to say

    def combined(self, sign: str, other: Any, turned: bool = False) -> Any:
        """This and another one under a sign; `turned`: the other first."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return self.combined("+", other)

    def __radd__(self, other: Any) -> Any:
        return self.combined("+", other, turned=True)

    def __sub__(self, other: Any) -> Any:
        return self.combined("-", other)

    def __rsub__(self, other: Any) -> Any:
        return self.combined("-", other, turned=True)

    def __mul__(self, other: Any) -> Any:
        return self.combined("*", other)

    def __rmul__(self, other: Any) -> Any:
        return self.combined("*", other, turned=True)

    def __floordiv__(self, other: Any) -> Any:
        return self.combined("//", other)

    def __mod__(self, other: Any) -> Any:
        return self.combined("%", other)

    def __bool__(self) -> bool:
        raise TypeError("an open position is not yet a number: decide with when(same(…)) or when(below(…))")


@dataclass(frozen=True)
class Whole(_Calculating):
    """One whole number that is still open."""

    form: Form

    def combined(self, sign: str, other: Any, turned: bool = False) -> Any:
        if isinstance(other, (Positions, np.ndarray)):
            return as_positions(other).combined(sign, self, not turned)
        forms = (form_of(other), self.form) if turned else (self.form, form_of(other))
        return Whole(_calculated(sign, *forms))


@dataclass(frozen=True)
class Positions(_Calculating):
    """Several positions: `count` of them, at most `most`; `each` is their calculation from 0, 1, 2, … (`EACH`)."""

    count: Form
    most: int
    each: Form

    def combined(self, sign: str, other: Any, turned: bool = False) -> Positions:
        forms = (form_of(other), self.each) if turned else (self.each, form_of(other))
        return Positions(self.count, self.most, _calculated(sign, *forms))

    def __len__(self) -> int:
        raise TypeError("open positions are not yet counted: use number_of(…)")


Position = int | Whole
"""A position that is a number, or still open."""


def open_index(axes: int) -> tuple[Whole, ...]:
    """An index of so many axes that is left open."""
    return tuple(Whole(("i", axis)) for axis in range(axes))


def form_of(position: Any) -> Form:
    """The calculation of a position; of a number the number."""
    if isinstance(position, Whole):
        return position.form
    return position if isinstance(position, float) else int(position)


def is_open(index: Iterable[Any]) -> bool:
    """Whether some position of an index is still open."""
    return any(isinstance(position, (Whole, Positions)) for position in index)


def replaced(form: Form, what: Form, by: Form) -> Form:
    """A calculation with one of its parts put in place of another."""
    if form == what:
        return by
    if isinstance(form, tuple):
        return tuple(replaced(part, what, by) for part in form)
    return form


def as_positions(item: Any, length: int = 0) -> Positions:
    """Positions along an axis of this length, from a slice, an array, or open ones."""
    if isinstance(item, Positions):
        return item
    chosen = np.arange(length)[item] if isinstance(item, slice) else np.asarray(item)
    first = int(chosen[0]) if len(chosen) else 0
    step = int(chosen[1]) - first if len(chosen) > 1 else 1
    if np.array_equal(chosen, first + step * np.arange(len(chosen))):
        return Positions(len(chosen), len(chosen), _calculated("+", _calculated("*", EACH, step), first))
    return Positions(len(chosen), len(chosen), ("table", tuple(chosen.tolist()), EACH))


def least(one: Position, other: Position) -> Any:
    """The smaller of two positions."""
    return _either("min", one, other)


def greatest(one: Position, other: Position) -> Any:
    """The larger of two positions."""
    return _either("max", one, other)


def _either(sign: str, one: Position, other: Position) -> Any:
    form = _calculated(sign, form_of(one), form_of(other))
    return form if isinstance(form, int) else Whole(form)


def span(first: Position, end: Position, most: int) -> Any:
    """The positions from `first` to `end` − 1, of which there are at most `most`."""
    if isinstance(first, int) and isinstance(end, int):
        return np.arange(first, end)
    count = _calculated("max", 0, _calculated("-", form_of(end), form_of(first)))
    return Positions(count, most, _calculated("+", EACH, form_of(first)))


def all_but(count: int, position: Position) -> Any:
    """The positions from 0 to `count` − 1 without one."""
    if isinstance(position, int):
        return np.delete(np.arange(count), position)
    return Positions(count - 1, count - 1, ("+", EACH, (">=", EACH, position.form)))


def number_of(positions: Any) -> Any:
    """How many positions these are."""
    if isinstance(positions, Positions):
        return positions.count if isinstance(positions.count, int) else Whole(positions.count)
    return len(positions)
