"""Networks that compute with a learner's function instead of kqv's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kqv.models.network import Network
from kqv.workshop import given
from kqv.workshop.exercise import Methods, Training

Lists = tuple[list[Any], list[Any]]


def _output_error(z: Any, a: Any, y: Any) -> Any:
    return given.cost_derivative(a, y) * given.sigmoid_prime(z)


def _error_before(w_next: Any, delta_next: Any, z: Any) -> Any:
    return np.dot(w_next.T, delta_next) * given.sigmoid_prime(z)


def backpropagated(
    network: Network, x: Any, y: Any, output_error: Callable[..., Any] = _output_error,
    error_before: Callable[..., Any] = _error_before,
) -> Lists:  # fmt: skip
    """The article's backpropagation, with another rule for the last layer's error or for the errors before it."""
    weights, biases = network.weights, network.biases
    zs, activations = given.activations_of(x, weights, biases)
    deltas = [output_error(zs[-1], activations[-1], y)]
    for layer in range(len(weights) - 1, 0, -1):
        deltas.insert(0, error_before(weights[layer], deltas[0], zs[layer - 1]))
    return deltas, [np.dot(delta, a.T) for delta, a in zip(deltas, activations[:-1], strict=True)]


def make_network(training: Training, mine: ModuleType, pixels: int, classes: tuple[str, ...]) -> Network:
    """A network in float64 with the learner's functions as its methods, its weights drawn from PyTorch's generator."""
    methods = {} if training.methods is None else dict(training.methods(mine))
    kind: type[Network] = type("Rebuilt", (Network,), methods)
    sizes = [pixels, *training.hidden, len(classes)]
    return kind(sizes, cost=training.cost, initialisation="scaled-normal", classes=classes).double()


@contextmanager
def operation_of(training: Training, mine: ModuleType) -> Iterator[None]:
    """Inside the `with` the learner's functions take the place of kqv's operation, where the exercise is one."""
    if training.operation is None:
        yield
        return
    operation, pair = training.operation(mine)
    with operation.replaced(pair):
        yield


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


BY_OPERATIONS: Methods = {"SGD": _by_operations, "evaluate": _right_by_operations}
"""Methods of a network that trains through kqv's operations, for exercises that are an operation."""


def by_columns(function: Callable[..., Any], *rows: Tensor) -> Tensor:
    """A learner's function on each example's column; rows `[batch, out]` go in and come out."""
    columns = zip(*(part.detach().numpy()[:, :, None] for part in rows), strict=True)
    return torch.from_numpy(np.stack([np.asarray(function(*column)) for column in columns])[:, :, 0])
