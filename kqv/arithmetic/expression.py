"""What an expression is, and the four basic operations between expressions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Index = tuple[Any, ...]
"""Positions of one element: whole numbers, or such as are still open (`kqv.arithmetic.positions`)."""
Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

UNDERFLOW = 1e5 * float(np.finfo(np.float32).tiny)
"""Added to the scale of products and functions: float32 rounds results below its smallest normal number to zero."""


SIGNIFICANT = 6
"""Digits of a number that is shown as a result."""

_MOST_DIGITS = 17  # a number in double precision has no more


class Rendering:
    """What a text of an expression shows: how many terms of a sum, which elements, which intermediate results.

    `digits` of each number stand in the text; `shown` says for each element and intermediate result with how many.
    """

    def __init__(self, terms: int = 6) -> None:
        self.terms, self.digits = terms, SIGNIFICANT
        self.sources: dict[str, float] = {}
        self.named: dict[tuple[str, float], Expression] = {}
        self.shown: dict[str | tuple[str, float], int] = {}

    def text_of(self, expression: Expression, digits: int = SIGNIFICANT) -> str:
        """The expression's text, each number with as many digits as it takes that the arithmetic as it is printed gives
        the expression's value to so many significant digits."""
        value = expression.value()
        unit = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1) if value and math.isfinite(value) else 0.0
        for self.digits in range(digits, _MOST_DIGITS + 1):
            difference = expression.printed(self) - value
            if not abs(difference) > 0.5 * unit:  # also where there is no number at all
                break
        return expression.text(self)

    def number(self, value: float) -> str:
        """A number of the arithmetic."""
        return number(value, self.digits)

    def rounded(self, value: float) -> float:
        """The number that is printed."""
        return float(f"{value:.{self.digits}g}")

    def keep(self, key: str | tuple[str, float]) -> None:
        """Note with how many digits an element or intermediate result is shown."""
        self.shown[key] = max(self.digits, self.shown.get(key, 0))


class Expression:
    """Arithmetic over elements; has a shape, values and a scale, and can be restricted to one position (`at`).

    A kind of expression says how it is shaped (`_shaped`), evaluated (`_evaluated`) and how large its rounding error
    can be (`_measured`); each is worked out once and kept, since expressions share their parts.
    """

    @property
    def strength(self) -> int:
        """How tightly the outermost sign of the text binds: 0 words, 1 sum, 2 product, 3 power, 9 needs no brackets."""
        return 9

    def _shaped(self) -> Shape:
        return ()

    def _evaluated(self) -> Array:
        raise NotImplementedError

    def _measured(self) -> Array:
        return np.abs(self.values())

    def _summed(self) -> Array:
        """The scale as a term of a larger sum: Σ|terms| also of what has none of its own."""
        return self.scale()

    @property
    def is_exact(self) -> bool:
        """Whether single precision holds the numbers as they are: elements, chosen among or with another sign."""
        return False

    @property
    def is_plain(self) -> bool:
        """Whether its scale is its own size: a number that nothing was computed for."""
        return False

    @cached_property
    def is_open(self) -> bool:
        """Whether it has a number only once an index is chosen (see `kqv.arithmetic.open`)."""
        return any(part.is_open for part in self.parts())

    @cached_property
    def shape(self) -> Shape:
        """Sizes of the expression's axes."""
        return self._shaped()

    @cached_property
    def _values(self) -> Array:
        with np.errstate(all="ignore"):  # −∞ for a masked score and its exponential 0 are meant
            return np.asarray(self._evaluated(), dtype=np.float64)

    @cached_property
    def _scale(self) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._measured(), dtype=np.float64)

    def values(self) -> Array:
        """The numbers, in float64."""
        return self._values

    def scale(self) -> Array:
        """The size that rounding errors are measured by, in float64: Σ|terms| for a sum.

        Of two exact numbers it is the sum or difference itself, which is rounded only once.
        """
        return self._scale

    def value(self) -> float:
        """The number, for an expression without axes."""
        return float(self.values())

    def at(self, index: Index) -> Expression:
        """The expression at one position of its leading axes; remaining axes stay."""
        return self

    def text(self, rendering: Rendering) -> str:
        """The arithmetic with its numbers; of a long sum the largest terms, the rest as one."""
        raise NotImplementedError

    def printed(self, rendering: Rendering) -> float:
        """What the text gives when its numbers are taken as they are printed."""
        return rendering.rounded(self.value())

    def parts(self) -> Iterator[Expression]:
        """The expressions directly below."""
        return iter(())

    def __add__(self, other: Expression | float) -> Expression:
        return Binary("+", self, expression(other))

    def __radd__(self, other: float) -> Expression:
        return Binary("+", expression(other), self)

    def __sub__(self, other: Expression | float) -> Expression:
        return Binary("−", self, expression(other))

    def __rsub__(self, other: float) -> Expression:
        return Binary("−", expression(other), self)

    def __mul__(self, other: Expression | float) -> Expression:
        return Binary("·", self, expression(other))

    def __rmul__(self, other: float) -> Expression:
        return Binary("·", expression(other), self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return Binary("/", self, expression(other))

    def __rtruediv__(self, other: float) -> Expression:
        return Binary("/", expression(other), self)

    def __neg__(self) -> Expression:
        return Negative(self)


def expression(value: Expression | float) -> Expression:
    """An expression as it is, a plain number as a `Constant`."""
    return value if isinstance(value, Expression) else Constant(float(value))


def number(value: float, digits: int = SIGNIFICANT) -> str:
    """A number as it is shown: six significant digits, or more."""
    return f"{value or 0.0:.{digits}g}".replace("-", "−").replace("inf", "∞")


def bracketed(part: Expression, strength: int, rendering: Rendering) -> str:
    """The text of `part`, in brackets where its sign binds less tightly than `strength` or it begins with a minus."""
    text = part.text(rendering)
    return f"({text})" if part.strength < strength or text.startswith("−") else text


def sum_text(parts: list[Expression], more: str, rendering: Rendering) -> str:
    """`a + b + (−c) + more`; brackets where a term would otherwise run into its neighbours."""
    first = [part.text(rendering) if part.strength >= 2 else f"({part.text(rendering)})" for part in parts[:1]]
    terms = first + [bracketed(part, 2, rendering) for part in parts[1:]] + [more] * bool(more)
    return " + ".join(terms) if terms else "0"


def times(error: Array, factor: Array) -> Array:
    """error·factor, where nothing at all (0) of an unbounded error (∞) is 0."""
    product = np.asarray(error * factor)
    if not np.isnan(product).any():
        return product
    return np.where((error == 0) | (factor == 0), 0.0, product)


def smallest(keys: Array, count: int) -> Array:
    """The positions of the `count` smallest numbers, in ascending order; of equal ones the first come first.

    The same as the beginning of a stable sort, which takes long where there are many numbers and few are wanted: so
    many are no larger than the `count`-th smallest of the least numbers of blocks, and all such are in few blocks.
    """
    keys = keys.reshape(-1)
    if keys.size > 16 * count > 0:
        starts = np.arange(0, keys.size, max(1, min(_BLOCK, keys.size // (4 * count))))
        least = np.minimum.reduceat(keys, starts)
        limit = np.partition(least, count - 1)[count - 1] if len(least) >= count else np.nan
        if not np.isnan(limit) and not np.isnan(least).any():
            near = np.flatnonzero(keys <= limit)
            return near[np.argsort(keys[near], kind="stable")[:count]]
    return np.argsort(keys, kind="stable")[:count]


_BLOCK = 1024


def part_at(part: Expression, index: Index, depth: int) -> Expression:
    """`part` of a broadcast expression with `depth` axes, at `index` of the broadcast axes."""
    missing = depth - len(part.shape)
    own = index[missing:] if len(index) > missing else ()
    return part.at(tuple(0 if size == 1 else position for size, position in zip(part.shape, own, strict=False)))


@dataclass(frozen=True, eq=False)
class Constant(Expression):
    """A fixed number of the formula."""

    constant: float

    def _evaluated(self) -> Array:
        return np.asarray(self.constant)

    @property
    def is_plain(self) -> bool:
        return True

    @property
    def is_exact(self) -> bool:
        return float(np.float32(self.constant)) == self.constant

    def text(self, rendering: Rendering) -> str:
        return rendering.number(self.constant)


@dataclass(frozen=True, eq=False)
class Negative(Expression):
    """−x."""

    content: Expression

    @property
    def strength(self) -> int:
        return 2

    def _shaped(self) -> Shape:
        return self.content.shape

    def _evaluated(self) -> Array:
        return -self.content.values()

    def _measured(self) -> Array:
        return self.content.scale()

    def at(self, index: Index) -> Expression:
        return Negative(self.content.at(index)) if index else self

    def text(self, rendering: Rendering) -> str:
        return f"−{bracketed(self.content, 2, rendering)}"

    def printed(self, rendering: Rendering) -> float:
        return -self.content.printed(rendering)

    @property
    def is_exact(self) -> bool:
        return self.content.is_exact

    def parts(self) -> Iterator[Expression]:
        return iter((self.content,))


@dataclass(frozen=True, eq=False)
class Binary(Expression):
    """Sum, difference, product or quotient of two expressions, broadcast like NumPy."""

    sign: str
    left: Expression
    right: Expression

    @property
    def strength(self) -> int:
        return 1 if self.sign in "+−" else 2

    def _shaped(self) -> Shape:
        if not self.left.shape or not self.right.shape:
            return self.left.shape or self.right.shape
        return np.broadcast_shapes(self.left.shape, self.right.shape)

    def _evaluated(self) -> Array:
        return np.asarray(_BASIC[self.sign](self.left.values(), self.right.values()))

    def _summed(self) -> Array:
        if self.sign in "+−":
            return np.asarray(self.left._summed() + self.right._summed())
        return self.scale()

    def _measured(self) -> Array:
        if self.sign in "+−":
            exact = self.left.is_exact and self.right.is_exact
            return np.abs(self.values()) if exact else self._summed()
        left_scale, right_scale = self.left.scale(), self.right.scale()
        left, right = np.abs(self.left.values()), np.abs(self.right.values())
        if self.sign == "·":  # |ab| where both are exact, and each side's own error times the other side
            if self.left.is_plain and np.isfinite(right_scale).all():
                found = times(right_scale, left)
            else:
                found = times(left_scale, right)
                if not (self.right.is_plain and np.isfinite(right).all()):
                    found = found + times(right_scale - right, left)
            found += UNDERFLOW
            return found
        return (left_scale + times(right_scale / right - 1, left)) / right + UNDERFLOW

    def at(self, index: Index) -> Expression:
        if not index:
            return self
        depth = len(self.shape)
        return Binary(self.sign, part_at(self.left, index, depth), part_at(self.right, index, depth))

    def text(self, rendering: Rendering) -> str:
        left = self.left.text(rendering)
        if self.left.strength < self.strength:
            left = f"({left})"
        right = bracketed(self.right, self.strength + (self.sign in "−/"), rendering)
        return f"{left}{self.sign}{right}" if self.sign in "·/" else f"{left} {self.sign} {right}"

    def printed(self, rendering: Rendering) -> float:
        left, right = np.float64(self.left.printed(rendering)), np.float64(self.right.printed(rendering))
        with np.errstate(all="ignore"):
            return float(_BASIC[self.sign](left, right))

    def parts(self) -> Iterator[Expression]:
        return iter((self.left, self.right))


_BASIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "−": operator.sub,
    "·": operator.mul,
    "/": operator.truediv,
}


def walk(root: Expression) -> Iterator[Expression]:
    """The expression and everything below it, outermost first; a part that is used in several positions comes once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting.extend(reversed(list(part.parts())))
