"""Sigmoid and its slope."""

from __future__ import annotations

import numpy as np

from kqv.arithmetic import Expression, Named, exp
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Mistake, Value, operand
from kqv.workshop.tries import numbers


def sigmoid(z: Matrix) -> Matrix:
    """σ(z) = 1/(1 + exp(−z))."""
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: Matrix) -> Matrix:
    """σ′(z) = σ(z)·(1 − σ(z))."""
    return sigmoid(z) * (1.0 - sigmoid(z))


def _cases() -> list[Case]:
    return [
        Case("a column of four numbers", {"z": np.array([[0.5], [-1.0], [2.0], [0.0]])}),
        Case("a column of six numbers", {"z": numbers(3, 6, 1)}),
        Case("numbers far from 0", {"z": np.array([[800.0], [-800.0], [30.0], [-30.0]])}),
    ]


def _derive(inputs: Inputs, place: int, index: tuple[int, ...]) -> Expression:
    return 1.0 / (1.0 + exp(-operand("z", inputs["z"])[index]))


def _derive_prime(inputs: Inputs, place: int, index: tuple[int, ...]) -> Expression:
    share = Named("σ(z)", _derive(inputs, place, index))
    return share * (1.0 - share)


Z = Value("z", "out 1", "what comes into the neurons of a layer: w·a + b")

SIGMOID = Function(
    sigmoid, "σ(z) = 1/(1 + exp(−z))", (Z,), (Value("a", "out 1", "the activations, between 0 and 1"),),
    _cases, _derive,
    (
        Mistake("the sign in the exponent", "σ has exp(−z), with a minus: it must rise from 0 to 1",
                lambda z: 1.0 / (1.0 + np.exp(z))),
        Mistake("brackets around the denominator are missing", "1/(1 + exp(−z)) divides by the whole sum; "
                "1/1 + exp(−z) divides by the first 1 alone", lambda z: 1.0 + np.exp(-z)),
        Mistake("minus in place of plus in the denominator", "the denominator is 1 + exp(−z)",
                lambda z: 1.0 / (1.0 - np.exp(-z))),
        Mistake("exp(z) overflows", "exp(z)/(1 + exp(z)) is σ too, but ∞/∞ for a large z; 1/(1 + exp(−z)) holds",
                lambda z: np.exp(z) / (1.0 + np.exp(z))),
        Mistake("tanh in place of σ", "the range of tanh is −1 to 1, that of σ 0 to 1", lambda z: np.tanh(z)),
        Mistake("exp alone", "divide: 1/(1 + exp(−z))", lambda z: np.exp(-z)),
    ),
)  # fmt: skip

PRIME = Function(
    sigmoid_prime, "σ′(z) = σ(z)·(1 − σ(z))", (Z,), (Value("slope", "out 1", "the slope of σ at z"),), _cases,
    _derive_prime,
    (
        Mistake("z in place of σ(z)", "z·(1 − z) is right only where z is an activation already: put σ(z) for both",
                lambda z: z * (1.0 - z)),
        Mistake("σ itself, not its slope", "return the derivative: σ(z)·(1 − σ(z))", lambda z: sigmoid(z)),
        Mistake("plus in place of minus", "the slope is σ(z)·(1 − σ(z)): flat at both ends",
                lambda z: sigmoid(z) * (1.0 + sigmoid(z))),
        Mistake("the factor σ(z) is missing", "1 − σ(z) is one of the two factors: multiply it by σ(z)",
                lambda z: 1.0 - sigmoid(z)),
        Mistake("the slope has the wrong sign", "σ only rises, so its slope is positive: σ(z)·(1 − σ(z))",
                lambda z: -sigmoid_prime(z)),
        Mistake("σ applied twice", "σ(z) is an activation already: a·(1 − a) with a = σ(z)",
                lambda z: sigmoid_prime(sigmoid(z))),
        Mistake("the slope of tanh", "1 − a² belongs to tanh; that of σ is a·(1 − a)",
                lambda z: 1.0 - sigmoid(z) ** 2),
    ),
)  # fmt: skip

EXERCISE = Exercise(
    name="sigmoid",
    task="Write the soft step that every neuron ends with, and its slope, which carries the error back through it.",
    functions=(SIGMOID, PRIME),
    hints=(
        "σ squeezes any number between 0 and 1, with ½ for z = 0. NumPy's functions take whole arrays: no loop.",
        "np.exp(-z) is the exp(−z) of every element. For the slope, call your own sigmoid, and call it on z.",
        "return 1.0 / (1.0 + np.exp(-z))   and   return sigmoid(z) * (1.0 - sigmoid(z))",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 1, eq. (3)",
)
