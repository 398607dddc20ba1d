"""The arithmetic that made a number: expressions over elements of tensors, evaluated in float64 and shown.

An `Operand` stands for one recorded tensor; indexing it gives `Elements`, and ordinary Python arithmetic on these
builds an expression that is written like its formula and broadcasts like NumPy:

    total = Sum(x[row, :] * weight[out, :]) + bias[out]

Each expression can be evaluated (`values`), shown with its numbers (`text`), and knows the size that its rounding error
is measured by (`scale`): Σ|terms| for a sum, carried through products, quotients and functions by first-order error
propagation. Shown and recorded value agree within 1e-5 · scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Index = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[np.float64]]
Shape = tuple[int, ...]


class Source(Protocol):
    """What an operand reads from: a recorded tensor."""

    @property
    def shape(self) -> Shape: ...

    def label(self, index: Index) -> str:
        """Name of one element, such as `layers.0.a[0, 7]`."""

    def read(self, axes: Sequence[Array]) -> Array:
        """The elements at the outer product of `axes` (one array of places for each axis), as float64."""


@dataclass(frozen=True)
class Operand:
    """One tensor of an operation's call; `operand[index]` picks elements (integers, slices, `...`, integer arrays)."""

    source: Source

    @property
    def shape(self) -> Shape:
        """Sizes of the tensor's axes."""
        return self.source.shape

    def __getitem__(self, index: Any) -> Elements:
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in index:
            at = index.index(Ellipsis)
            index = (*index[:at], *[slice(None)] * (len(self.shape) - len(index) + 1), *index[at + 1 :])
        if len(index) != len(self.shape):
            raise IndexError(f"{len(index)} places given for {len(self.shape)} axes {list(self.shape)}")
        places = tuple(
            np.array([item]) if isinstance(item, (int, np.integer)) else np.arange(size)[item]
            for item, size in zip(index, self.shape, strict=True)
        )
        kept = tuple(axis for axis, item in enumerate(index) if not isinstance(item, (int, np.integer)))
        return Elements(self.source, places, kept)


class Rendering:
    """What a text of an expression shows: how many terms of a sum, which elements, which intermediate results."""

    def __init__(self, terms: int = 6) -> None:
        self.terms = terms
        self.sources: dict[str, float] = {}
        self.named: dict[tuple[str, float], Expression] = {}


class Expression:
    """Arithmetic over elements; has a shape, values and a scale, and can be restricted to one place (`at`)."""

    shape: Shape = ()
    strength = 9  # how tightly the outermost sign binds: 1 sum, 2 product, 3 power, 9 never needs brackets

    def values(self) -> Array:
        """The numbers, in float64."""
        raise NotImplementedError

    def scale(self) -> Array:
        """The size that rounding errors are measured by, in float64: Σ|terms| for a sum."""
        raise NotImplementedError

    def at(self, index: Index) -> Expression:
        """The expression at one place of its leading axes; remaining axes stay."""
        raise NotImplementedError

    def text(self, rendering: Rendering) -> str:
        """The arithmetic with its numbers; of a long sum the largest terms, the rest as one."""
        raise NotImplementedError

    def parts(self) -> Iterator[Expression]:
        """The expressions directly below."""
        return iter(())

    def value(self) -> float:
        """The number, for an expression without axes."""
        return float(self.values())

    def __add__(self, other: Expression | float) -> Expression:
        return Binary("+", self, _expression(other))

    def __radd__(self, other: float) -> Expression:
        return Binary("+", _expression(other), self)

    def __sub__(self, other: Expression | float) -> Expression:
        return Binary("−", self, _expression(other))

    def __rsub__(self, other: float) -> Expression:
        return Binary("−", _expression(other), self)

    def __mul__(self, other: Expression | float) -> Expression:
        return Binary("·", self, _expression(other))

    def __rmul__(self, other: float) -> Expression:
        return Binary("·", _expression(other), self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return Binary("/", self, _expression(other))

    def __rtruediv__(self, other: float) -> Expression:
        return Binary("/", _expression(other), self)

    def __neg__(self) -> Expression:
        return Binary("·", Constant(-1.0), self)


def _expression(value: Expression | float) -> Expression:
    return value if isinstance(value, Expression) else Constant(float(value))


def number(value: float) -> str:
    """A number as it is shown: six significant digits."""
    return f"{value:.6g}".replace("-", "−")


def _bracketed(part: Expression, strength: int, rendering: Rendering) -> str:
    text = part.text(rendering)
    return f"({text})" if part.strength < strength or text.startswith("−") else text


@dataclass(frozen=True)
class Constant(Expression):
    """A fixed number of the formula."""

    constant: float

    def values(self) -> Array:
        return np.asarray(self.constant, dtype=np.float64)

    def scale(self) -> Array:
        return np.abs(self.values())

    def at(self, index: Index) -> Expression:
        return self

    def text(self, rendering: Rendering) -> str:
        return number(self.constant)


@dataclass(frozen=True)
class Elements(Expression):
    """Elements of one tensor: a place for each axis, and which axes stay as axes of the expression."""

    source: Source
    places: tuple[Any, ...]
    kept: tuple[int, ...]

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return tuple(len(self.places[axis]) for axis in self.kept)

    def values(self) -> Array:
        return self.source.read(self.places).reshape(self.shape)

    def scale(self) -> Array:
        return np.abs(self.values())

    def at(self, index: Index) -> Expression:
        places = list(self.places)
        for axis, place in zip(self.kept, index, strict=False):
            places[axis] = places[axis][[place]]
        return Elements(self.source, tuple(places), self.kept[len(index) :])

    def label(self) -> str:
        """Name of the one element, such as `layers.0.a[0, 7]`."""
        return self.source.label(tuple(int(place[0]) for place in self.places))

    def text(self, rendering: Rendering) -> str:
        value = self.value()
        rendering.sources[self.label()] = value
        return number(value)


@dataclass(frozen=True)
class Binary(Expression):
    """Sum, difference, product or quotient of two expressions, broadcast like NumPy."""

    sign: str
    left: Expression
    right: Expression

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return np.broadcast_shapes(self.left.shape, self.right.shape)

    @property
    def strength(self) -> int:  # type: ignore[override]
        return 1 if self.sign in "+−" else 2

    def values(self) -> Array:
        left, right = self.left.values(), self.right.values()
        if self.sign == "+":
            return np.asarray(left + right)
        if self.sign == "−":
            return np.asarray(left - right)
        if self.sign == "·":
            return np.asarray(left * right)
        return np.asarray(left / right)

    def scale(self) -> Array:
        left_scale, right_scale = self.left.scale(), self.right.scale()
        if self.sign in "+−":
            return np.asarray(left_scale + right_scale)
        left, right = np.abs(self.left.values()), np.abs(self.right.values())
        if self.sign == "·":  # |ab| where both are exact, and each side's own error times the other side
            return np.asarray(left_scale * right + left * right_scale - left * right)
        return np.asarray(left_scale / right + left * right_scale / right**2 - left / right)

    def at(self, index: Index) -> Expression:
        depth = len(self.shape)
        return Binary(self.sign, _at(self.left, index, depth), _at(self.right, index, depth))

    def text(self, rendering: Rendering) -> str:
        left = self.left.text(rendering)
        if self.left.strength < self.strength:
            left = f"({left})"
        right = _bracketed(self.right, self.strength + (self.sign in "−/"), rendering)
        return f"{left}/{right}" if self.sign == "/" else f"{left}{'·' if self.sign == '·' else f' {self.sign} '}{right}"

    def parts(self) -> Iterator[Expression]:
        return iter((self.left, self.right))


def _at(part: Expression, index: Index, depth: int) -> Expression:
    """`part` of a broadcast expression with `depth` axes, at `index` of the broadcast axes."""
    missing = depth - len(part.shape)
    own = index[missing:] if len(index) > missing else ()
    return part.at(tuple(0 if size == 1 else place for size, place in zip(part.shape, own, strict=False)))


def _everywhere(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda values: np.vectorize(function, otypes=[np.float64])(values)


_FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda a: 1 / a),
    "√": (np.sqrt, lambda a: 0.5 / np.sqrt(a)),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "erf": (_everywhere(math.erf), lambda a: 2 / math.sqrt(math.pi) * np.exp(-(a**2))),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, np.sin),
    "σ": (lambda a: 0.5 * (1 + np.tanh(0.5 * a)), lambda a: 0.25 * (1 - np.tanh(0.5 * a) ** 2)),
    "|·|": (np.abs, np.ones_like),
}
"""Functions by their sign, each with its derivative (for the propagation of errors)."""


@dataclass(frozen=True)
class Function(Expression):
    """A function of one number, at each place."""

    sign: str
    argument: Expression

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.argument.shape

    def values(self) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(_FUNCTIONS[self.sign][0](self.argument.values()))

    def scale(self) -> Array:
        slope = np.abs(_FUNCTIONS[self.sign][1](self.argument.values()))
        return np.asarray(np.abs(self.values()) + slope * self.argument.scale())

    def at(self, index: Index) -> Expression:
        return Function(self.sign, self.argument.at(index))

    def text(self, rendering: Rendering) -> str:
        return f"{self.sign}({self.argument.text(rendering)})"

    def parts(self) -> Iterator[Expression]:
        return iter((self.argument,))


@dataclass(frozen=True)
class Power(Expression):
    """A constant power of one expression."""

    base: Expression
    exponent: int
    strength = 3

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.base.shape

    def values(self) -> Array:
        return np.asarray(self.base.values() ** self.exponent)

    def scale(self) -> Array:
        size = np.abs(self.base.values())
        return np.asarray(size**self.exponent + self.exponent * size ** (self.exponent - 1) * (self.base.scale() - size))

    def at(self, index: Index) -> Expression:
        return Power(self.base.at(index), self.exponent)

    def text(self, rendering: Rendering) -> str:
        return _bracketed(self.base, 4, rendering) + str(self.exponent).translate(_SUPERSCRIPTS)

    def parts(self) -> Iterator[Expression]:
        return iter((self.base,))


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Reduction(Expression):
    """Sum or maximum over the last `axes` axes of an expression."""

    sign: str
    terms: Expression
    axes: int

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.terms.shape[: len(self.terms.shape) - self.axes]

    @property
    def strength(self) -> int:  # type: ignore[override]
        return 1 if self.sign == "Σ" else 9

    def _flat(self, values: Array) -> Array:
        return np.broadcast_to(values, self.terms.shape).reshape(*self.shape, -1)

    def values(self) -> Array:
        flat = self._flat(self.terms.values())
        return np.asarray(flat.sum(-1) if self.sign == "Σ" else flat.max(-1))

    def scale(self) -> Array:
        scales = self._flat(self.terms.scale())
        if self.sign == "Σ":
            return np.asarray(scales.sum(-1))
        places = self._flat(self.terms.values()).argmax(-1)
        return np.take_along_axis(scales, places[..., None], -1)[..., 0]

    def at(self, index: Index) -> Expression:
        return Reduction(self.sign, self.terms.at(index), self.axes)

    def text(self, rendering: Rendering) -> str:
        values = np.broadcast_to(self.terms.values(), self.terms.shape).reshape(-1)
        if values.size == 0:
            return "0"
        order = np.argsort(-np.abs(values) if self.sign == "Σ" else -values, kind="stable")[: rendering.terms]
        shown = [self.terms.at(tuple(int(i) for i in np.unravel_index(place, self.terms.shape))) for place in sorted(order)]
        rest = values.size - len(shown)
        if self.sign != "Σ":
            return "max(" + ", ".join(part.text(rendering) for part in shown) + (f", … {rest} smaller" if rest else "") + ")"
        if values.size == 1:
            return shown[0].text(rendering)
        lines = [_bracketed(part, 2, rendering) for part in shown]
        if rest:
            lines.append(f"[{rest} more: {number(float(values.sum() - values[order].sum()))}]")
        return " + ".join(lines)

    def parts(self) -> Iterator[Expression]:
        return iter((self.terms,))


@dataclass(frozen=True)
class Total(Expression):
    """Sum of separate expressions without axes, each with arithmetic of its own."""

    summands: tuple[Expression, ...]
    strength = 1

    def values(self) -> Array:
        return np.asarray(math.fsum(part.value() for part in self.summands))

    def scale(self) -> Array:
        return np.asarray(math.fsum(float(part.scale()) for part in self.summands))

    def at(self, index: Index) -> Expression:
        return self

    def text(self, rendering: Rendering) -> str:
        values = [part.value() for part in self.summands]
        largest = sorted(range(len(values)), key=lambda place: -abs(values[place]))[: rendering.terms]
        lines = [_bracketed(self.summands[place], 2, rendering) for place in sorted(largest)]
        if len(values) > len(lines):
            rest = math.fsum(value for place, value in enumerate(values) if place not in largest)
            lines.append(f"[{len(values) - len(lines)} more: {number(rest)}]")
        return " + ".join(lines) if lines else "0"

    def parts(self) -> Iterator[Expression]:
        return iter(self.summands)


@dataclass(frozen=True)
class Named(Expression):
    """An intermediate result with a symbol of its own; shown by the symbol, its arithmetic on a line of its own."""

    symbol: str
    meaning: Expression

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.meaning.shape

    def values(self) -> Array:
        return self.meaning.values()

    def scale(self) -> Array:
        return self.meaning.scale()

    def at(self, index: Index) -> Expression:
        return Named(self.symbol, self.meaning.at(index)) if index else self

    def text(self, rendering: Rendering) -> str:
        value = self.value()
        rendering.named.setdefault((self.symbol, value), self.meaning)
        return number(value)

    def parts(self) -> Iterator[Expression]:
        return iter((self.meaning,))


@dataclass(frozen=True)
class Column(Expression):
    """The same numbers with a last axis of size one behind them, so that they broadcast along rows."""

    content: Expression

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return (*self.content.shape, 1)

    @property
    def strength(self) -> int:  # type: ignore[override]
        return self.content.strength

    def values(self) -> Array:
        return self.content.values()[..., None]

    def scale(self) -> Array:
        return self.content.scale()[..., None]

    def at(self, index: Index) -> Expression:
        depth = len(self.content.shape)
        inner = self.content.at(index[:depth])
        return inner if len(index) > depth else Column(inner)

    def text(self, rendering: Rendering) -> str:
        return self.content.text(rendering)

    def parts(self) -> Iterator[Expression]:
        return iter((self.content,))


@dataclass(frozen=True)
class Choice(Expression):
    """`chosen` where the condition's expression is above zero, else `other`."""

    condition: Expression
    chosen: Expression
    other: Expression

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return np.broadcast_shapes(self.condition.shape, self.chosen.shape, self.other.shape)

    def _choose(self, chosen: Array, other: Array) -> Array:
        return np.where(self.condition.values() > 0, chosen, other)

    def values(self) -> Array:
        return self._choose(self.chosen.values(), self.other.values())

    def scale(self) -> Array:
        return self._choose(self.chosen.scale(), self.other.scale())

    def at(self, index: Index) -> Expression:
        depth = len(self.shape)
        return Choice(_at(self.condition, index, depth), _at(self.chosen, index, depth), _at(self.other, index, depth))

    def text(self, rendering: Rendering) -> str:
        holds = self.condition.value() > 0
        chosen = (self.chosen if holds else self.other).text(rendering)
        return f"{chosen} because {self.condition.text(rendering)} {'> 0' if holds else '≤ 0'}"

    strength = 0

    def parts(self) -> Iterator[Expression]:
        return iter((self.condition, self.chosen, self.other))


def Sum(terms: Expression, axes: int | None = None) -> Expression:
    """Σ over the last `axes` axes of `terms`; over all of them when `axes` is None."""
    return Reduction("Σ", terms, len(terms.shape) if axes is None else axes)


def Mean(terms: Expression) -> Expression:
    """Σ over all axes of `terms`, divided by their number."""
    return Sum(terms) / float(max(1, math.prod(terms.shape)))


def Max(terms: Expression, axes: int | None = None) -> Expression:
    """The largest over the last `axes` axes of `terms`; over all of them when `axes` is None."""
    return Reduction("max", terms, len(terms.shape) if axes is None else axes)


def exp(argument: Expression) -> Expression:
    """e to the power of the argument."""
    return Function("exp", argument)


def log(argument: Expression) -> Expression:
    """Natural logarithm."""
    return Function("log", argument)


def sqrt(argument: Expression) -> Expression:
    """Square root."""
    return Function("√", argument)


def tanh(argument: Expression) -> Expression:
    """Hyperbolic tangent."""
    return Function("tanh", argument)


def erf(argument: Expression) -> Expression:
    """Gauss error function."""
    return Function("erf", argument)


def logistic(argument: Expression) -> Expression:
    """1/(1 + exp(−argument))."""
    return Function("σ", argument)


def sine(argument: Expression) -> Expression:
    """Sine of an angle in radians."""
    return Function("sin", argument)


def cosine(argument: Expression) -> Expression:
    """Cosine of an angle in radians."""
    return Function("cos", argument)


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything below it, outermost first."""
    yield expression
    for part in expression.parts():
        yield from walk(part)
