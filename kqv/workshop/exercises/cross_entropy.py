"""Cross-entropy from logits, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from kqv.arithmetic import Expression, Max, Named, Sum, exp, log
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Mistake, Value, operand
from kqv.workshop.tries import numbers, one_hot


def cross_entropy(z: Matrix, y: Matrix) -> Any:
    """C = −Σ_k y[k]·log a[k], with log a[k] = z[k] − max − log Σ_j exp(z[j] − max)."""
    shifted = z - np.max(z)
    log_shares = shifted - np.log(np.sum(np.exp(shifted)))
    return -np.sum(y * log_shares)


def cross_entropy_backward(z: Matrix, y: Matrix) -> Matrix:
    """∂C/∂z = a − y, with a = softmax(z)."""
    exponentials = np.exp(z - np.max(z))
    return exponentials / np.sum(exponentials) - y


def _cases() -> list[Case]:
    return [
        Case("three classes", {"z": np.array([[1.0], [2.0], [-0.5]]), "y": one_hot(3, 0)}),
        Case("ten classes", {"z": numbers(41, 10, 1), "y": one_hot(10, 6)}),
        Case("large numbers", {"z": np.array([[800.0], [795.0], [790.0]]), "y": one_hot(3, 1)}),
        Case("numbers far apart", {"z": np.array([[1000.0], [0.0], [-1000.0]]), "y": one_hot(3, 1)}),
    ]


def _derive(inputs: Inputs, place: int, index: tuple[int, ...]) -> Expression:
    z = operand("z", inputs["z"])
    right = int(np.argmax(inputs["y"]))
    largest = Named("max", Max(z[...]))
    return Named("log Σexp", largest + log(Sum(exp(z[...] - largest)))) - z[right, 0]


def _derive_backward(inputs: Inputs, place: int, index: tuple[int, ...]) -> Expression:
    z, y = operand("z", inputs["z"]), operand("y", inputs["y"])
    largest = Named("max", Max(z[...]))
    return Named("a", exp(z[index] - largest) / Named("Σexp", Sum(exp(z[...] - largest)))) - y[index]


def _log_shares(z: Any) -> Any:
    return z - np.max(z) - np.log(np.sum(np.exp(z - np.max(z))))


def _shares(z: Any) -> Any:
    return np.exp(_log_shares(z))


def _naive(z: Any) -> Any:
    return np.exp(z) / np.sum(np.exp(z))


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _both_sides(a: Any, y: Any) -> Any:
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a))


Z = Value("z", "class 1", "the logits: one number for each class")
Y = Value("y", "class 1", "what is wanted: 1 for the right class, 0 for the others")

CROSS_ENTROPY = Function(
    cross_entropy,
    "C = −Σ_k y[k]·log a[k], a = softmax(z), so log a[k] = z[k] − max − log Σ_j exp(z[j] − max)",
    (Z, Y),
    (Value("cost", "", "the surprise at the right class, in nats"),),
    _cases,
    _derive,
    (
        Mistake("the maximum is not subtracted", "exp(800) overflows: take z − np.max(z) first",
                lambda z, y: -np.sum(y * np.log(_naive(z)))),
        Mistake("the logarithm of a share that became 0", "a share can be too small to be written: log a[k] is "
                "z[k] − max − log Σexp, without the share itself", lambda z, y: -np.sum(y * np.log(_shares(z)))),
        Mistake("the right share became 0", "a share can be too small to be written: log a[k] is "
                "z[k] − max − log Σexp, without the share itself",
                lambda z, y: -np.log(_shares(z)[np.argmax(y), 0])),
        Mistake("the sign is missing", "C = −Σ: a surprise is never negative", lambda z, y: np.sum(y * _log_shares(z))),
        Mistake("mean in place of sum", "add over the classes; only the right one counts anyway",
                lambda z, y: -np.mean(y * _log_shares(z))),
        Mistake("y is missing", "only the right class counts: multiply by y", lambda z, y: -np.sum(_log_shares(z))),
        Mistake("the logarithm of base 2", "np.log is the natural one",
                lambda z, y: -np.sum(y * _log_shares(z)) / np.log(2)),
        Mistake("each class on its own", "−y·log a − (1 − y)·log(1 − a) belongs to σ; with softmax only y·log a counts",
                lambda z, y: _both_sides(_shares(z), y)),
        Mistake("σ in place of softmax", "the classes share one whole: a = softmax(z)",
                lambda z, y: _both_sides(_sigmoid(z), y)),
        Mistake("softmax is missing", "z is no share yet: log a[k] = z[k] − max − log Σexp",
                lambda z, y: -np.sum(y * np.log(z))),
        Mistake("the logarithm of the sum is missing", "log a[k] = z[k] − max − log Σexp",
                lambda z, y: -np.sum(y * (z - np.max(z)))),
        Mistake("not added up", "the cost is one number: np.sum", lambda z, y: -y * _log_shares(z)),
    ),
)  # fmt: skip

BACKWARD = Function(
    cross_entropy_backward,
    "∂C/∂z = a − y, a = softmax(z)",
    (Z, Y),
    (Value("gradient_z", "class 1", "how the cost changes with each logit"),),
    _cases,
    _derive_backward,
    (
        Mistake("the sign is reversed", "a − y, not y − a", lambda z, y: y - _shares(z)),
        Mistake("the slope a·(1 − a) is multiplied in", "with cross-entropy it cancels: that is what this cost is for",
                lambda z, y: (_shares(z) - y) * _shares(z) * (1 - _shares(z))),
        Mistake("the slope of σ is multiplied in", "with cross-entropy it cancels: that is what this cost is for",
                lambda z, y: (_shares(z) - y) * _sigmoid(z) * (1 - _sigmoid(z))),
        Mistake("∂C/∂a, not yet ∂C/∂z", "−y/a goes on back through softmax; together they are a − y",
                lambda z, y: -y / _shares(z)),
        Mistake("softmax is missing", "a = softmax(z), not z itself", lambda z, y: z - y),
        Mistake("σ in place of softmax", "a = softmax(z): the classes share one whole", lambda z, y: _sigmoid(z) - y),
        Mistake("y is missing", "subtract what is wanted: a − y", lambda z, y: _shares(z)),
        Mistake("divided by the number of classes", "the cost adds over the classes; there is no mean",
                lambda z, y: (_shares(z) - y) / len(y)),
        Mistake("the right class alone", "the other classes have a gradient, too: their share a",
                lambda z, y: (_shares(z) - y) * y),
        Mistake("the maximum is not subtracted", "exp(800) overflows: take z − np.max(z) first",
                lambda z, y: _naive(z) - y),
    ),
)  # fmt: skip

EXERCISE = Exercise(
    name="cross_entropy",
    task="How surprised is the network by the right class? From logits, so that nothing overflows; and the gradient.",
    functions=(CROSS_ENTROPY, BACKWARD),
    hints=(
        "The logarithm of a quotient is a difference: log softmax needs no softmax. And the gradient is "
        "shorter than it looks.",
        "With shifted = z - np.max(z): log a = shifted - np.log(np.sum(np.exp(shifted))). Backward: softmax(z) - y.",
        "return -np.sum(y * (shifted - np.log(np.sum(np.exp(shifted)))))   and   "
        "return np.exp(shifted) / np.sum(np.exp(shifted)) - y",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 3, eqs. (80) and (81)",
)
