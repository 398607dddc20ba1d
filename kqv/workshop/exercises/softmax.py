"""Softmax, forward and backward."""

from __future__ import annotations

import numpy as np

from kqv.arithmetic import Expression, Max, Named, Sum, exp
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Mistake, Value, operand
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
        Case("very negative numbers", {"z": np.array([[-1000.0], [-1001.0], [-998.0]])}),
    ]


def _derive(inputs: Inputs, place: int, index: tuple[int, ...]) -> Expression:
    z = operand("z", inputs["z"])
    largest = Named("max", Max(z[...]))
    return exp(z[index] - largest) / Named("Σexp", Sum(exp(z[...] - largest)))


SOFTMAX = Function(
    softmax,
    "a[i] = exp(z[i] − max) / Σ_j exp(z[j] − max)",
    (Value("z", "class 1", "the logits: one number for each class"),),
    (Value("a", "class 1", "shares of one whole"),),
    _cases,
    _derive,
    (
        Mistake("the maximum is not subtracted", "exp(1000) overflows; z − np.max(z) changes no share and keeps exp at "
                "most 1", lambda z: np.exp(z) / np.sum(np.exp(z))),
        Mistake("each number is divided by itself", "sum over the classes, axis 0 of a column [class, 1]; axis 1 has "
                "one number only", lambda z: np.exp(z - np.max(z)) / np.exp(z - np.max(z))),
        Mistake("exp is missing", "the shares are of exp(z), not of z itself", lambda z: z / np.sum(z)),
        Mistake("not divided by the sum", "divide by Σexp, so that the shares add up to 1",
                lambda z: np.exp(z - np.max(z))),
        Mistake("divided by the largest", "divide by the sum, so that the shares add up to 1",
                lambda z: np.exp(z) / np.max(np.exp(z))),
        Mistake("σ of each number on its own", "the classes share one whole: divide by the sum over all of them",
                lambda z: 1 / (1 + np.exp(-z))),
        Mistake("the sign in the exponent", "the largest z gets the largest share: exp(z − max)",
                lambda z: softmax(-z)),
        Mistake("the mean in place of the sum", "divide by the sum, so that the shares add up to 1",
                lambda z: softmax(z) * len(z)),
        Mistake("the logarithm of the shares", "that is log-softmax; softmax itself is wanted",
                lambda z: z - np.max(z) - np.log(np.sum(np.exp(z - np.max(z))))),
    ),
)  # fmt: skip


def _backward_cases() -> list[Case]:
    return [
        Case(f"{classes} classes", {"a": softmax(numbers(32 + seed, classes, 1)),
                                    "gradient": numbers(36 + seed, classes, 1)})
        for seed, classes in enumerate((3, 10))
    ]  # fmt: skip


def _derive_backward(inputs: Inputs, place: int, index: tuple[int, ...]) -> Expression:
    a, gradient = (operand(name, inputs[name]) for name in ("a", "gradient"))
    return a[index] * (gradient[index] - Named("Σ(∂C/∂a·a)", Sum(gradient[...] * a[...])))


BACKWARD = Function(
    softmax_backward,
    "∂C/∂z[i] = a[i]·(∂C/∂a[i] − Σ_j ∂C/∂a[j]·a[j])",
    (
        Value("a", "class 1", "the shares that softmax gave"),
        Value("gradient", "class 1", "∂C/∂a: how the cost changes with each share"),
    ),
    (Value("gradient_z", "class 1", "∂C/∂z: how it changes with each logit"),),
    _backward_cases,
    _derive_backward,
    (
        Mistake("the diagonal alone", "a·(1 − a) is σ's slope; in softmax each z changes all shares: subtract Σ",
                lambda a, g: g * a * (1 - a)),
        Mistake("the sum is missing", "what one class gains, the others lose: subtract Σ ∂C/∂a·a",
                lambda a, g: a * g),
        Mistake("the factor a is missing", "the whole bracket is multiplied by a[i]", lambda a, g: g - np.sum(g * a)),
        Mistake("the sum without a", "each ∂C/∂a[j] is weighted by its share: np.sum(gradient * a)",
                lambda a, g: a * (g - np.sum(g))),
        Mistake("mean in place of sum", "Σ over the classes, not their mean", lambda a, g: a * (g - np.mean(g * a))),
        Mistake("plus in place of minus", "∂C/∂a[i] minus the sum", lambda a, g: a * (g + np.sum(g * a))),
        Mistake("the sign is reversed", "∂C/∂a[i] − Σ, in this order", lambda a, g: a * (np.sum(g * a) - g)),
        Mistake("the bracket is missing", "a multiplies the difference: a * (gradient − Σ)",
                lambda a, g: a * g - np.sum(g * a)),
    ),
)  # fmt: skip

EXERCISE = Exercise(
    name="softmax",
    task="Turn any numbers into shares of one whole, and carry a gradient back through it.",
    functions=(SOFTMAX, BACKWARD),
    hints=(
        "Every exp is positive; divided by their sum, they add up to 1. Which number can you subtract from every z "
        "without changing a share, so that exp cannot overflow?",
        "exponentials = np.exp(z - np.max(z)). Backward: each share's gradient, less the mean of all gradients, "
        "weighted by the shares.",
        "return exponentials / np.sum(exponentials)   and   return a * (gradient - np.sum(gradient * a))",
    ),
    source="Bridle 1990; Nielsen, Neural Networks and Deep Learning, ch. 3, eq. (78)",
)
