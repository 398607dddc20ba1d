"""Sigmoid and its slope."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from kqv.arithmetic import Expression, Named, exp
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.tries import numbers

if TYPE_CHECKING:
    from torch import Tensor

    from kqv.operations import Operation, Pair


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


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    return 1.0 / (1.0 + exp(-operand("z", inputs["z"])[index]))


def _derive_prime(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    share = Named("σ(z)", _derive(inputs, position, index))
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
        Mistake("the denominator is rounded to whole numbers",
                "leave out astype(int): 1 + exp(−z) has numbers behind the point",
                lambda z: 1.0 / np.trunc(1.0 + np.exp(-z))),
        Mistake("tanh in place of σ", "the range of tanh is −1 to 1, that of σ 0 to 1", lambda z: np.tanh(z)),
        Mistake("ReLU in place of σ", "max(0, z) has no upper end; σ stays between 0 and 1",
                lambda z: np.maximum(z, 0.0)),
        Mistake("a hard step", "σ is the soft step: 1/(1 + exp(−z)), with values between 0 and 1",
                lambda z: np.where(z > 0, 1.0, 0.0)),
        Mistake("exp alone", "divide: 1/(1 + exp(−z))", lambda z: np.exp(-z)),
    ),
)  # fmt: skip

PRIME = Function(
    sigmoid_prime, "σ′(z) = σ(z)·(1 − σ(z))", (Z,), (Value("slope", "out 1", "the slope of σ at z"),), _cases,
    _derive_prime,
    (
        Mistake("z in place of σ(z)", "z·(1 − z) is right only where z is an activation already: put σ(z) for both",
                lambda z: z * (1.0 - z)),
        Mistake("brackets around 1 − σ(z) are missing", "a * 1 - a is 0 everywhere; a * (1 - a) is the slope",
                lambda z: sigmoid(z) * 1.0 - sigmoid(z)),
        Mistake("the square in the denominator is missing",
                "the slope is exp(−z)/(1 + exp(−z))², safer as σ(z)·(1 − σ(z))",
                lambda z: np.exp(-z) / (1.0 + np.exp(-z))),
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


def _methods(mine: ModuleType) -> Methods:
    from kqv.workshop.networks import BY_OPERATIONS

    return BY_OPERATIONS


def _operation(mine: ModuleType) -> tuple[Operation, Pair]:
    from kqv.operations import Pair, sigmoid
    from kqv.workshop.networks import by_columns

    def forward(x: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        return by_columns(mine.sigmoid, x), (x,)

    def backward(saved: tuple[Tensor], gradient: Tensor) -> tuple[Tensor]:
        return (gradient * by_columns(mine.sigmoid_prime, saved[0]),)

    return sigmoid, Pair(forward, backward)


EXERCISE = Exercise(
    name="sigmoid",
    order=10,
    title="the soft step σ(z), and its slope σ′(z)",
    task="Write the soft step that every neuron ends with, and its slope, which carries the error back through it.",
    functions=(SIGMOID, PRIME),
    hints=(
        "σ squeezes any number between 0 and 1, with ½ for z = 0. NumPy's functions take whole arrays: no loop.",
        "np.exp(-z) is the exp(−z) of every element. For the slope, call your own sigmoid, and call it on z.",
        "return 1.0 / (1.0 + np.exp(-z))   and   return sigmoid(z) * (1.0 - sigmoid(z))",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 1, eq. (3)",
    training=Training(
        "every neuron of the network ends with your sigmoid, and learns by your sigmoid_prime",
        methods=_methods,
        operation=_operation,
    ),
)
