"""Stochastic gradient descent as the textbook has it: epochs of shuffled mini-batches, monitoring, early stopping."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from kqv.errors import Error
from kqv.models.examples import Examples, Pair
from kqv.models.textbook.backpropagation import Backpropagation
from kqv.models.textbook.descent import Descent, Gradients

CHUNK = 64  # mini-batches whose pictures are gathered together
Learn = Callable[[list[int]], None]


class Learner(Protocol):
    """What learning needs of a network."""

    def mean_cost(self, examples: Examples) -> float:
        """The mean cost of examples, without regularisation."""

    def count_right(self, examples: Examples) -> int:
        """How many examples it gets right."""

    def backpropagation(self, dropping: bool) -> Backpropagation:
        """Backpropagation with its weights."""

    def update_mini_batch(self, mini_batch: list[Pair], eta: float) -> None:
        """Learn one mini-batch."""

    def mean_of_own_gradients(self, mini_batch: list[Pair]) -> Gradients:
        """The mean gradients of a mini-batch by its own `backprop`."""


class Monitoring(NamedTuple):
    """What was measured after each epoch: costs, and how many examples were right."""

    evaluation_cost: list[float]
    evaluation_accuracy: list[int]
    training_cost: list[float]
    training_accuracy: list[int]


@dataclass
class Patience:
    """When to stop early: once `epochs` went by without a new best; with `halvings`, η is halved instead, so often
    (Nielsen ch. 3, "How to choose a neural network's hyper-parameters?"). 0 epochs: never."""

    epochs: int
    halvings: int = 0
    best: int = -1
    waited: int = 0

    def is_over(self, right: int, descent: Descent) -> bool:
        """Whether to stop after an epoch with so many right; halves η where that is due."""
        self.waited = 0 if right > self.best else self.waited + 1
        self.best = max(self.best, right)
        if not self.epochs or self.waited < self.epochs:
            return False
        if not self.halvings:
            return True
        self.halvings, self.waited, descent.eta = self.halvings - 1, 0, descent.eta / 2
        return False


@dataclass
class Monitor:
    """What is measured after each epoch, on which examples.

    Costs are with what regularisation adds, for as many examples as they are of: as in the book, where the evaluation
    cost is `total_cost(evaluation_data, lmbda)`.
    """

    network: Learner
    train: Examples
    held_out: Examples | None
    wanted: tuple[str, ...]

    def measure(self, right: int, descent: Descent, found: Monitoring) -> None:
        """Add an epoch's measurements to `found`; `right`: of the held-out examples."""
        if "evaluation_cost" in self.wanted and self.held_out is not None:
            found.evaluation_cost.append(self._cost(self.held_out, descent))
        if "evaluation_accuracy" in self.wanted and self.held_out is not None:
            found.evaluation_accuracy.append(right)
        if "training_cost" in self.wanted:
            found.training_cost.append(self._cost(self.train, descent))
        if "training_accuracy" in self.wanted:
            found.training_accuracy.append(self.network.count_right(self.train))

    def _cost(self, examples: Examples, descent: Descent) -> float:
        return self.network.mean_cost(examples) + descent.penalty(len(examples))


def descend(
    learn: Learn, epochs: int, descent: Descent, monitor: Monitor, right_now: Callable[[], int],
    patience: Patience, announce: bool,
) -> Monitoring:  # fmt: skip
    """Learn for so many epochs, or until the patience is over; `announce` prints each epoch's result."""
    found, order = Monitoring([], [], [], []), list(range(len(monitor.train)))
    for epoch in range(epochs):
        random.shuffle(order)
        learn(order)
        right = right_now() if monitor.held_out is not None else 0
        if announce and monitor.held_out is not None:
            print(f"Epoch {epoch}: {right} / {len(monitor.held_out)}")  # noqa: T201 - the book's code does
        monitor.measure(right, descent, found)
        if patience.is_over(right, descent):
            break
    return found


def at_once(network: Learner, train: Examples, size: int, descent: Descent) -> Learn:
    """Learn mini-batches each computed at once."""
    backpropagation = network.backpropagation(dropping=True)

    @torch.inference_mode()  # nothing here is ever differentiated by autograd; knowing that saves it time
    def learn(order: list[int]) -> None:
        for positions in torch.split(torch.tensor(order), size * CHUNK):
            # index_select takes rows several times as fast as train.x[positions]
            xs = torch.split(train.x.index_select(0, positions), size)
            ys = torch.split(train.wanted.index_select(0, positions), size)
            for x, y in zip(xs, ys, strict=True):
                descent.step(backpropagation.errors(x, y))

    return learn


def one_by_one(network: Learner, pairs: list[Pair], size: int, descent: Descent, own_update: bool) -> Learn:
    """Learn mini-batches by the methods of the network's own class, in place of the textbook's."""

    def learn(order: list[int]) -> None:
        for first in range(0, len(order), size):
            mini_batch = [pairs[position] for position in order[first : first + size]]
            if own_update:
                network.update_mini_batch(mini_batch, descent.eta)
            else:
                descent.step_along(network.mean_of_own_gradients(mini_batch))

    return learn


def check_settings(epochs: int, size: int, eta: float, patience: Patience, held_out: Examples | None) -> None:
    """Raise `Error` that names the first setting that cannot be."""
    if epochs < 0 or size < 1:
        raise Error(f"expected epochs from 0 up and a mini_batch_size from 1 up; got {epochs} and {size}")
    if not eta > 0:
        raise Error(f"eta, the learning rate, has to be above 0; got {eta}")
    if patience.epochs and held_out is None:
        raise Error("early stopping needs evaluation_data, which says when the network no longer improves")
    if patience.halvings and not patience.epochs:
        raise Error("halvings of eta need early_stopping_n, after how many epochs without a new best")
