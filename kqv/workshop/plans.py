"""How each exercise's network is trained with the learner's functions: sizes, epochs, mini-batch, learning rate."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kqv.workshop.catalogue import require


@dataclass(frozen=True)
class Plan:
    """A training of the textbook's network; `part` says what the learner's function does in it."""

    part: str
    hidden: tuple[int, ...] = (30,)
    epochs: int = 8
    batch: int = 10
    eta: float = 3.0


_PLANS = {
    "sigmoid": Plan("every neuron of the network ends with your sigmoid, and learns by your sigmoid_prime"),
    "feedforward": Plan("your feedforward recognises the digits; kqv's backprop learns"),
    "cost_derivative": Plan("every example's error begins with your cost_derivative"),
    "output_error": Plan("every example's error begins with your output_error; kqv carries it back"),
    "backpropagated_error": Plan("your backpropagated_error carries every example's error back"),
    "backprop": Plan("your backprop computes every gradient"),
    "update_mini_batch": Plan("your update_mini_batch makes every step"),
    "gradient_check": Plan("nobody uses calculus: your numerical_gradient makes every gradient", (), 4, 30, 1.0),
    "softmax": Plan("your softmax makes the answers, and your softmax_backward carries the error back", eta=0.5),
    "cross_entropy": Plan("your cross_entropy is the cost, and its backward begins every gradient", eta=0.5),
}

MNIST_EPOCHS = 3
"""Fifty thousand pictures, one by one in Python, take some seconds an epoch; three are enough to read digits."""


def plan(name: str, data: str | None = None, epochs: int | None = None) -> Plan:
    """The plan of an exercise, with other epochs where they are given."""
    chosen = _PLANS[require(name)]
    usual = chosen.epochs if data is None or data == "digits8x8" else min(chosen.epochs, MNIST_EPOCHS)
    return replace(chosen, epochs=usual if epochs is None else epochs)
