"""Softmax, forward and backward."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from kqv.arithmetic import Expression, Max, Named, Sum, exp
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.given import activations_of
from kqv.workshop.tries import numbers


def softmax(z: Matrix) -> Matrix:
    """a[i] = exp(z[i] − max) / Σ_j exp(z[j] − max)."""
    exponentials = np.exp(z - np.max(z))
    return exponentials / np.sum(exponentials)


def softmax_backward(a: Matrix, gradient: Matrix) -> Matrix:
    """∂C/∂z[i] = a[i]·(∂C/∂a[i] − Σ_j ∂C/∂a[j]·a[j])."""
    return a * (gradient - np.sum(gradient * a))


def _cases() -> list[Case]:
    return [
        Case("three classes", {"z": np.array([[1.0], [2.0], [-0.5]])}),
        Case("ten classes", {"z": numbers(31, 10, 1)}),
        Case("large numbers", {"z": np.array([[1000.0], [1001.0], [998.0]])}),
        Case("numbers far apart", {"z": np.array([[1500.0], [0.0], [-1500.0]])}),
        Case("very negative numbers", {"z": np.array([[-1000.0], [-1001.0], [-998.0]])}),
    ]


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    z = operand("z", inputs["z"])
    largest = Named("max", Max(z[...]))
    return exp(z[index] - largest) / Named("Σexp", Sum(exp(z[...] - largest)))


SOFTMAX = Function(
    softmax,
    "a[i] = exp(z[i] − max) / Σ_j exp(z[j] − max)",
    (Value("z", "class 1", "the logits: one number for each class"),),
    (Value("a", "class 1", "probabilities, which add up to 1"),),
    _cases,
    _derive,
    (
        Mistake("the maximum is not subtracted",
                "exp(1000) overflows; z − np.max(z) changes no probability and keeps exp at "
                "most 1", lambda z: np.exp(z) / np.sum(np.exp(z))),
        Mistake("each number is divided by itself", "sum over the classes, axis 0 of a column [class, 1]; axis 1 has "
                "one number only", lambda z: np.exp(z - np.max(z)) / np.exp(z - np.max(z))),
        Mistake("the mean is subtracted, not the maximum",
                "exp still overflows where numbers lie far apart: z − np.max(z)",
                lambda z: np.exp(z - np.mean(z)) / np.sum(np.exp(z - np.mean(z)))),
        Mistake("the sum is over the wrong axis",
                "a column [class, 1] has its classes along axis 0: np.sum(e), or axis=0",
                lambda z: np.exp(z - np.max(z)) / np.sum(np.exp(z - np.max(z)), axis=1)),
        Mistake("exp is missing", "divide exp(z) by its sum, not z itself", lambda z: z / np.sum(z)),
        Mistake("not divided by the sum", "divide by Σexp, so that the probabilities add up to 1",
                lambda z: np.exp(z - np.max(z))),
        Mistake("divided by the largest", "divide by the sum, so that the probabilities add up to 1",
                lambda z: np.exp(z) / np.max(np.exp(z))),
        Mistake("σ of each number on its own", "the probabilities add up to 1: divide by the sum over all classes",
                lambda z: 1 / (1 + np.exp(-z))),
        Mistake("the sign in the exponent", "the largest z gets the largest probability: exp(z − max)",
                lambda z: softmax(-z)),
        Mistake("the mean in place of the sum", "divide by the sum, so that the probabilities add up to 1",
                lambda z: softmax(z) * len(z)),
        Mistake("the logarithm of the probabilities", "that is log-softmax; softmax itself is wanted",
                lambda z: z - np.max(z) - np.log(np.sum(np.exp(z - np.max(z))))),
    ),
)  # fmt: skip


def _backward_cases() -> list[Case]:
    return [
        Case(f"{classes} classes", {"a": softmax(numbers(32 + seed, classes, 1)),
                                    "gradient": numbers(36 + seed, classes, 1)})
        for seed, classes in enumerate((3, 10))
    ]  # fmt: skip


def _derive_backward(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    a, gradient = (operand(name, inputs[name]) for name in ("a", "gradient"))
    return a[index] * (gradient[index] - Named("Σ(∂C/∂a·a)", Sum(gradient[...] * a[...])))


BACKWARD = Function(
    softmax_backward,
    "∂C/∂z[i] = a[i]·(∂C/∂a[i] − Σ_j ∂C/∂a[j]·a[j])",
    (
        Value("a", "class 1", "the probabilities that softmax gave"),
        Value("gradient", "class 1", "∂C/∂a: how the cost changes with each probability"),
    ),
    (Value("gradient_z", "class 1", "∂C/∂z: how it changes with each logit"),),
    _backward_cases,
    _derive_backward,
    (
        Mistake("the diagonal alone", "a·(1 − a) is σ's slope; in softmax each z changes all probabilities: subtract Σ",
                lambda a, g: g * a * (1 - a)),
        Mistake("the gradient is missing", "∂C/∂a comes in as gradient: it is multiplied in, and in the sum, too",
                lambda a, g: a * (1 - a)),
        Mistake("np.diag of a column", "np.diag makes a matrix of a flat array only: np.diag(a.ravel()) − a·aᵀ",
                lambda a, g: np.dot(np.diag(a) - np.dot(a, a.T), g)),
        Mistake("the diagonal is missing",
                "a stands on the diagonal of a matrix, the rest of it 0: np.diag(a.ravel()) − a·aᵀ",
                lambda a, g: np.dot(a - np.dot(a, a.T), g)),
        Mistake("softmax applied twice", "a is softmax(z) already", lambda a, g: g * softmax(a)),
        Mistake("the sum is missing", "what one class gains, the others lose: subtract Σ ∂C/∂a·a",
                lambda a, g: a * g),
        Mistake("the factor a is missing", "the whole bracket is multiplied by a[i]", lambda a, g: g - np.sum(g * a)),
        Mistake("the sum without a", "each ∂C/∂a[j] is weighted by its probability: np.sum(gradient * a)",
                lambda a, g: a * (g - np.sum(g))),
        Mistake("mean in place of sum", "Σ over the classes, not their mean", lambda a, g: a * (g - np.mean(g * a))),
        Mistake("plus in place of minus", "∂C/∂a[i] minus the sum", lambda a, g: a * (g + np.sum(g * a))),
        Mistake("the sign is reversed", "∂C/∂a[i] − Σ, in this order", lambda a, g: a * (np.sum(g * a) - g)),
        Mistake("the bracket is missing", "a multiplies the difference: a * (gradient − Σ)",
                lambda a, g: a * g - np.sum(g * a)),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    from kqv.workshop.networks import backpropagated

    def error(z: Any, a: Any, y: Any) -> Any:
        """Of C = −Σ y·log a, with a = softmax(z): ∂C/∂a = −y/a goes back through the learner's function."""
        a = mine.softmax(z)
        return mine.softmax_backward(a, -y / np.maximum(a, np.finfo(np.float64).tiny))

    return {
        "feedforward": lambda self, a: mine.softmax(activations_of(a, self.weights, self.biases)[0][-1]),
        "backprop": lambda self, x, y: backpropagated(self, x, y, output_error=error),
    }


EXERCISE = Exercise(
    name="softmax",
    order=90,
    title="numbers become probabilities; forward and backward",
    task="Turn any numbers into probabilities, and carry a gradient back through it.",
    functions=(SOFTMAX, BACKWARD),
    hints=(
        "Every exp is positive; divided by their sum, they add up to 1. Which number can you subtract from every z "
        "without changing a probability, so that exp cannot overflow?",
        "exponentials = np.exp(z - np.max(z)). Backward: each probability's gradient, less the mean of all gradients, "
        "weighted by the probabilities.",
        "return exponentials / np.sum(exponentials)   and   return a * (gradient - np.sum(gradient * a))",
    ),
    source="Bridle 1990; Nielsen, Neural Networks and Deep Learning, ch. 3, eq. (78)",
    training=Training(
        "your softmax makes the answers, and your softmax_backward carries the error back",
        eta=0.5,
        methods=_methods,
    ),
)
