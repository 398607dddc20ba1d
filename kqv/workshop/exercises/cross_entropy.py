"""Cross-entropy from logits, forward and backward."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kqv.arithmetic import Expression, Max, Named, Sum, exp, log
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.tries import numbers, one_hot

if TYPE_CHECKING:
    from torch import Tensor

    from kqv.operations import Operation, Pair


def cross_entropy(z: Matrix, y: Matrix) -> Any:
    """C = −Σ_k y[k]·log a[k], with log a[k] = z[k] − max − log Σ_j exp(z[j] − max)."""
    shifted = z - np.max(z)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted)))
    return -np.sum(y * log_probabilities)


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


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    z = operand("z", inputs["z"])
    right = int(np.argmax(inputs["y"]))
    largest = Named("max", Max(z[...]))
    return Named("log Σexp", largest + log(Sum(exp(z[...] - largest)))) - z[right, 0]


def _derive_backward(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    z, y = operand("z", inputs["z"]), operand("y", inputs["y"])
    largest = Named("max", Max(z[...]))
    return Named("a", exp(z[index] - largest) / Named("Σexp", Sum(exp(z[...] - largest)))) - y[index]


def _log_probabilities(z: Any) -> Any:
    return z - np.max(z) - np.log(np.sum(np.exp(z - np.max(z))))


def _probabilities(z: Any) -> Any:
    return np.exp(_log_probabilities(z))


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
        Mistake("the logarithm of a probability that became 0",
                "a probability can be too small for float64: log a[k] is "
                "z[k] − max − log Σexp, without the probability itself",
                lambda z, y: -np.sum(y * np.log(_probabilities(z)))),
        Mistake("the right class's probability became 0", "a probability can be too small for float64: log a[k] is "
                "z[k] − max − log Σexp, without the probability itself",
                lambda z, y: -np.log(_probabilities(z)[np.argmax(y), 0])),
        *(
            Mistake(f"{small:g} is added before the logarithm", "that hides the overflow and makes large costs wrong: "
                    "log a[k] is z[k] − max − log Σexp, without the probability itself",
                    lambda z, y, small=small: -np.sum(y * np.log(_probabilities(z) + small)))
            for small in (1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7)
        ),
        Mistake("the maximum is subtracted once only", "subtract it from z[k], too: log a[k] = z[k] − max − log Σexp",
                lambda z, y: -np.sum(y * (z - np.log(np.sum(np.exp(z - np.max(z))))))),
        Mistake("the quadratic cost", "½·Σ(z − y)² is another cost; the cross-entropy is −Σ y·log a",
                lambda z, y: 0.5 * np.sum((z - y) ** 2)),
        Mistake("log2 in the sum alone", "np.log is the natural logarithm, which belongs to exp",
                lambda z, y: -np.sum(y * (z - np.max(z) - np.log2(np.sum(np.exp(z - np.max(z))))))),
        Mistake("the sign is missing", "C = −Σ: a surprise is never negative",
                lambda z, y: np.sum(y * _log_probabilities(z))),
        Mistake("mean in place of sum", "add over the classes; only the right one counts anyway",
                lambda z, y: -np.mean(y * _log_probabilities(z))),
        Mistake("y is missing", "only the right class counts: multiply by y",
                lambda z, y: -np.sum(_log_probabilities(z))),
        Mistake("the logarithm of base 2", "np.log is the natural one",
                lambda z, y: -np.sum(y * _log_probabilities(z)) / np.log(2)),
        Mistake("each class on its own", "−y·log a − (1 − y)·log(1 − a) belongs to σ; with softmax only y·log a counts",
                lambda z, y: _both_sides(_probabilities(z), y)),
        Mistake("σ in place of softmax", "the probabilities add up to 1 over the classes: a = softmax(z)",
                lambda z, y: _both_sides(_sigmoid(z), y)),
        Mistake("softmax is missing", "z is no probability yet: log a[k] = z[k] − max − log Σexp",
                lambda z, y: -np.sum(y * np.log(z))),
        Mistake("the logarithm of the sum is missing", "log a[k] = z[k] − max − log Σexp",
                lambda z, y: -np.sum(y * (z - np.max(z)))),
        Mistake("not added up", "the cost is one number: np.sum", lambda z, y: -y * _log_probabilities(z)),
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
        Mistake("the sign is reversed", "a − y, not y − a", lambda z, y: y - _probabilities(z)),
        Mistake("the slope a·(1 − a) is multiplied in", "with cross-entropy it cancels: that is what this cost is for",
                lambda z, y: (_probabilities(z) - y) * _probabilities(z) * (1 - _probabilities(z))),
        Mistake("the slope of σ is multiplied in", "with cross-entropy it cancels: that is what this cost is for",
                lambda z, y: (_probabilities(z) - y) * _sigmoid(z) * (1 - _sigmoid(z))),
        Mistake("∂C/∂a, not yet ∂C/∂z", "−y/a goes on back through softmax; together they are a − y",
                lambda z, y: -y / _probabilities(z)),
        Mistake("y is divided by the sum, too", "a − y: only exp(z) is divided by Σexp; (e − y)/Σ divides both",
                lambda z, y: (np.exp(z - np.max(z)) - y) / np.sum(np.exp(z - np.max(z)))),
        Mistake("softmax is missing", "a = softmax(z), not z itself", lambda z, y: z - y),
        Mistake("σ in place of softmax", "a = softmax(z): the probabilities add up to 1", lambda z, y: _sigmoid(z) - y),
        Mistake("y is missing", "subtract what is wanted: a − y", lambda z, y: _probabilities(z)),
        Mistake("divided by the number of classes", "the cost adds over the classes; there is no mean",
                lambda z, y: (_probabilities(z) - y) / len(y)),
        Mistake("the right class alone", "the other classes have a gradient, too: their probability a",
                lambda z, y: (_probabilities(z) - y) * y),
        Mistake("the maximum is not subtracted", "exp(800) overflows: take z − np.max(z) first",
                lambda z, y: _naive(z) - y),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    from kqv.workshop.networks import BY_OPERATIONS

    return BY_OPERATIONS


def _operation(mine: ModuleType) -> tuple[Operation, Pair]:
    import torch

    from kqv.operations import Pair
    from kqv.operations import cross_entropy as operation
    from kqv.workshop.networks import by_columns

    def forward(logits: Tensor, targets: Tensor, **_: Any) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        wanted = torch.nn.functional.one_hot(targets, logits.shape[1]).to(logits.dtype)
        columns = zip(logits.detach().numpy()[:, :, None], wanted.numpy()[:, :, None], strict=True)
        costs = [float(mine.cross_entropy(z, y)) for z, y in columns]
        return torch.tensor(sum(costs) / len(costs), dtype=logits.dtype), (logits, wanted)

    def backward(saved: tuple[Tensor, Tensor], gradient: Tensor) -> tuple[Tensor, None]:
        logits, wanted = saved
        return by_columns(mine.cross_entropy_backward, logits, wanted) * (gradient / len(logits)), None

    return operation, Pair(forward, backward)


EXERCISE = Exercise(
    name="cross_entropy",
    order=100,
    title="how surprised the network is, from logits; forward and backward",
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
    training=Training(
        "your cross_entropy is the cost, and its backward begins every gradient",
        eta=0.5,
        cost="cross-entropy",
        methods=_methods,
        operation=_operation,
    ),
)
