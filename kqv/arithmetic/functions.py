"""Functions of one number, and constant powers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kqv.arithmetic.expression import UNDERFLOW, Array, Expression, Index, Rendering, Shape, bracketed, times


def _everywhere(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda values: np.vectorize(function, otypes=[np.float64])(values)


_FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda a: 1 / a),
    "log1p": (np.log1p, lambda a: 1 / (1 + a)),
    "√": (np.sqrt, lambda a: 0.5 / np.sqrt(a)),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "erf": (_everywhere(math.erf), lambda a: 2 / math.sqrt(math.pi) * np.exp(-(a**2))),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, np.sin),
    "σ": (lambda a: 0.5 * (1 + np.tanh(0.5 * a)), lambda a: 0.25 * (1 - np.tanh(0.5 * a) ** 2)),
    "|·|": (np.abs, np.ones_like),
    "sgn": (np.sign, np.zeros_like),
}
"""Functions by their sign, each with its derivative up to its sign (for the propagation of errors)."""


@dataclass(frozen=True, eq=False)
class Function(Expression):
    """A function of one number, at each position."""

    sign: str
    argument: Expression

    def _shaped(self) -> Shape:
        return self.argument.shape

    def _evaluated(self) -> Array:
        return _FUNCTIONS[self.sign][0](self.argument.values())

    def _measured(self) -> Array:
        slope = np.abs(_FUNCTIONS[self.sign][1](self.argument.values()))
        return np.abs(self.values()) + times(self.argument.scale(), slope) + UNDERFLOW

    def at(self, index: Index) -> Expression:
        return Function(self.sign, self.argument.at(index)) if index else self

    def text(self, rendering: Rendering) -> str:
        inside = self.argument.text(rendering)
        return f"|{inside}|" if self.sign == "|·|" else f"{self.sign}({inside})"

    def printed(self, rendering: Rendering) -> float:
        with np.errstate(all="ignore"):
            return float(_FUNCTIONS[self.sign][0](np.asarray(self.argument.printed(rendering))))

    def parts(self) -> Iterator[Expression]:
        return iter((self.argument,))


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True, eq=False)
class Power(Expression):
    """A constant power of one expression."""

    base: Expression
    exponent: int

    @property
    def strength(self) -> int:
        return 3

    def _shaped(self) -> Shape:
        return self.base.shape

    def _evaluated(self) -> Array:
        return np.asarray(self.base.values() ** self.exponent)

    def _measured(self) -> Array:
        size = np.abs(self.base.values())
        slope = np.abs(self.exponent * size ** (self.exponent - 1))
        found = times(self.base.scale() - size, slope)
        found += size**self.exponent  # in place: of hundreds of thousands of terms each array takes milliseconds
        found += UNDERFLOW
        return found

    def at(self, index: Index) -> Expression:
        return Power(self.base.at(index), self.exponent) if index else self

    def text(self, rendering: Rendering) -> str:
        return bracketed(self.base, 4, rendering) + str(self.exponent).translate(_SUPERSCRIPTS)

    def printed(self, rendering: Rendering) -> float:
        with np.errstate(all="ignore"):
            return float(np.float64(self.base.printed(rendering)) ** self.exponent)

    def parts(self) -> Iterator[Expression]:
        return iter((self.base,))


def exp(argument: Expression) -> Expression:
    """e to the power of the argument."""
    return Function("exp", argument)


def log(argument: Expression) -> Expression:
    """Natural logarithm."""
    return Function("log", argument)


def log1p(argument: Expression) -> Expression:
    """log(1 + argument), also where the argument is so small that the sum would lose it."""
    return Function("log1p", argument)


def sqrt(argument: Expression) -> Expression:
    """Square root."""
    return Function("√", argument)


def sign(argument: Expression) -> Expression:
    """−1, 0 or 1."""
    return Function("sgn", argument)


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
