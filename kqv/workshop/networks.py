"""Networks that compute with a learner's function in the place of kqv's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kqv import operations
from kqv.models.network import Network
from kqv.operations import Operation, Pair
from kqv.workshop import given
from kqv.workshop.plans import Plan

Lists = tuple[list[Any], list[Any]]
EPSILON = 1e-4
"""The step of the finite differences that the network of `gradient_check` learns by."""


def backpropagated(
    network: Network, x: Any, y: Any, output_error: Callable[..., Any], error_before: Callable[..., Any]
) -> Lists:
    """The article's backpropagation with a learner's rule for the last error, or for the errors before it."""
    weights, biases = network.weights, network.biases
    zs, activations = given.activations_of(x, weights, biases)
    deltas = [output_error(zs[-1], activations[-1], y)]
    for layer in range(len(weights) - 1, 0, -1):
        deltas.insert(0, error_before(weights[layer], deltas[0], zs[layer - 1]))
    return deltas, [np.dot(delta, a.T) for delta, a in zip(deltas, activations[:-1], strict=True)]


def _output_error(z: Any, a: Any, y: Any) -> Any:
    return given.cost_derivative(a, y) * given.sigmoid_prime(z)


def _error_before(w_next: Any, delta_next: Any, z: Any) -> Any:
    return np.dot(w_next.T, delta_next) * given.sigmoid_prime(z)


def network_class(name: str, mine: ModuleType) -> type[Network]:
    """The textbook's network with the learner's functions as its own methods."""
    methods: dict[str, dict[str, Any]] = {
        "sigmoid": {"SGD": _by_operations, "evaluate": _right_by_operations},
        "cross_entropy": {"SGD": _by_operations, "evaluate": _right_by_operations},
        "feedforward": {"feedforward": lambda self, a: mine.feedforward(a, self.weights, self.biases)},
        "cost_derivative": {"cost_derivative": lambda self, a, y: mine.cost_derivative(a, y)},
        "output_error": {
            "backprop": lambda self, x, y: backpropagated(self, x, y, mine.output_error, _error_before)
        },
        "backpropagated_error": {
            "backprop": lambda self, x, y: backpropagated(self, x, y, _output_error, mine.backpropagated_error)
        },
        "backprop": {"backprop": lambda self, x, y: mine.backprop(x, y, self.weights, self.biases)},
        "update_mini_batch": {"update_mini_batch": lambda self, batch, eta: _updated(self, mine, batch, eta)},
        "gradient_check": {"update_mini_batch": lambda self, batch, eta: _by_differences(self, mine, batch, eta)},
        "softmax": {
            "feedforward": lambda self, a: mine.softmax(_logits(self, a)[0][-1]),
            "backprop": lambda self, x, y: _through_softmax(self, mine, x, y),
        },
    }  # fmt: skip
    return type("Rebuilt", (Network,), methods.get(name, {}))


def make_network(name: str, mine: ModuleType, plan: Plan, pixels: int, classes: tuple[str, ...]) -> Network:
    """A network in float64 for an exercise, with weights drawn from PyTorch's random generator as it stands."""
    cost: Any = "cross-entropy" if name in ("cross_entropy", "gradient_check") else "quadratic"
    sizes = [pixels, *plan.hidden, len(classes)]
    return network_class(name, mine)(sizes, cost=cost, initialisation="scaled-normal", classes=classes).double()


def _updated(network: Network, mine: ModuleType, batch: Any, eta: float) -> None:
    network.weights, network.biases = mine.update_mini_batch(
        batch, eta, network.weights, network.biases, given.backprop
    )


def _cost_of(network: Network, batch: Any) -> Callable[[Any, Any], float]:
    """The mean cross-entropy of a network without hidden layers, as a function of its weights and biases."""
    x, y = (np.concatenate(part, axis=1) for part in zip(*batch, strict=True))

    def cost(w: Any, b: Any) -> float:
        z = np.dot(w, x) + b
        z -= z.max(axis=0)
        return float(np.sum(np.log(np.sum(np.exp(z), axis=0))) - np.sum(y * z)) / len(batch)

    return cost


def _by_differences(network: Network, mine: ModuleType, batch: Any, eta: float) -> None:
    """One step with gradients that are nothing but differences of costs."""
    cost, (w,), (b,) = _cost_of(network, batch), network.weights, network.biases
    step_w = mine.numerical_gradient(lambda moved: cost(moved, b), w.copy(), EPSILON)
    step_b = mine.numerical_gradient(lambda moved: cost(w, moved), b.copy(), EPSILON)
    network.weights, network.biases = [w - eta * step_w], [b - eta * step_b]


def gradients_apart(network: Network, mine: ModuleType, batch: Any) -> float:
    """How far the learner's numerical gradient of the weights is from kqv's backpropagation, by his own measure."""
    cost = _cost_of(network, batch)
    numerical = mine.numerical_gradient(lambda w: cost(w, network.biases[0]), network.weights[0].copy(), EPSILON)
    analytical = sum(network.backprop(x, y)[1][0] for x, y in batch) / len(batch)
    return float(mine.relative_error(analytical, numerical))


def _logits(network: Network, x: Any) -> Lists:
    return given.activations_of(x, network.weights, network.biases)


def _through_softmax(network: Network, mine: ModuleType, x: Any, y: Any) -> Lists:
    """Gradients of −Σ y·log a, with a = softmax(z): ∂C/∂a = −y/a goes back through the learner's function."""

    def error(z: Any, a: Any, y: Any) -> Any:
        shares = mine.softmax(z)
        return mine.softmax_backward(shares, -y / np.maximum(shares, np.finfo(np.float64).tiny))

    return backpropagated(network, x, y, error, _error_before)


def _by_operations(network: Network, pairs: Any, epochs: int, mini_batch_size: int, eta: float) -> None:
    """Gradient descent through kqv's operations, of which one is the learner's; PyTorch orders the chain rule."""
    order = list(pairs)
    for _ in range(epochs):
        random.shuffle(order)
        for first in range(0, len(order), mini_batch_size):
            x, labels = _rows(order[first : first + mini_batch_size])
            network.zero_grad()
            network.loss(network(x), labels).backward()  # type: ignore[no-untyped-call]
            with torch.no_grad():
                for parameter in network.parameters():
                    assert parameter.grad is not None
                    parameter.sub_(eta * parameter.grad)


def _right_by_operations(network: Network, pairs: Any) -> int:
    """For how many pairs the largest output is the right class."""
    x, labels = _rows(pairs)
    with torch.no_grad():
        return int((network(x).argmax(1) == labels).sum())


def _rows(pairs: Any) -> tuple[Tensor, Tensor]:
    """Pairs of columns as rows `[batch, in]` with the right classes `[batch]`."""
    x, y = (np.concatenate(part, axis=1).T for part in zip(*pairs, strict=True))
    return torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y.argmax(1))


@contextmanager
def operations_of(name: str, mine: ModuleType) -> Iterator[None]:
    """Inside the `with` the learner's functions take the place of kqv's operation, where the exercise is one."""
    places: dict[str, tuple[Operation, Pair]] = {
        "sigmoid": (operations.sigmoid, _sigmoid_pair(mine)),
        "cross_entropy": (operations.cross_entropy, _cross_entropy_pair(mine)),
    }
    if name not in places:
        yield
        return
    operation, pair = places[name]
    with operation.replaced(pair):
        yield


def _by_columns(function: Callable[..., Any], *rows: Tensor) -> Tensor:
    """A learner's function on each example's column; rows `[batch, out]` go in and come out."""
    columns = zip(*(part.detach().numpy()[:, :, None] for part in rows), strict=True)
    return torch.from_numpy(np.stack([np.asarray(function(*column)) for column in columns])[:, :, 0])


def _sigmoid_pair(mine: ModuleType) -> Pair:
    def forward(x: Tensor) -> tuple[Tensor, tuple[Tensor]]:
        return _by_columns(mine.sigmoid, x), (x,)

    def backward(saved: tuple[Tensor], gradient: Tensor) -> tuple[Tensor]:
        return (gradient * _by_columns(mine.sigmoid_prime, saved[0]),)

    return Pair(forward, backward)


def _cross_entropy_pair(mine: ModuleType) -> Pair:
    def forward(logits: Tensor, targets: Tensor, **_: Any) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        wanted = torch.nn.functional.one_hot(targets, logits.shape[1]).to(logits.dtype)
        columns = zip(logits.detach().numpy()[:, :, None], wanted.numpy()[:, :, None], strict=True)
        costs = [float(mine.cross_entropy(z, y)) for z, y in columns]
        return torch.tensor(sum(costs) / len(costs), dtype=logits.dtype), (logits, wanted)

    def backward(saved: tuple[Tensor, Tensor], gradient: Tensor) -> tuple[Tensor, None]:
        logits, wanted = saved
        return _by_columns(mine.cross_entropy_backward, logits, wanted) * (gradient / len(logits)), None

    return Pair(forward, backward)
