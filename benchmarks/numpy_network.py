"""The article's network for one example at a time, in NumPy and columns: what the benchmarks and tests compare with.

Written from the article's formulas: (BP1) to (BP4), and gradient descent over mini-batches.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


class NumpyNetwork:
    """Layers of the given sizes, weights and biases from N(0, 1), quadratic cost."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.biases = [np.random.randn(out, 1) for out in sizes[1:]]
        self.weights = [np.random.randn(out, into) for into, out in pairwise(sizes)]

    def feedforward(self, a: Array) -> Array:
        for b, w in zip(self.biases, self.weights, strict=True):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def backprop(self, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation, activations, zs = x, [x], []
        for b, w in zip(self.biases, self.weights, strict=True):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].T)
        for layer in range(2, len(self.weights) + 1):
            delta = np.dot(self.weights[-layer + 1].T, delta) * sigmoid_prime(zs[-layer])
            nabla_b[-layer] = delta
            nabla_w[-layer] = np.dot(delta, activations[-layer - 1].T)
        return nabla_b, nabla_w

    def update_mini_batch(self, mini_batch: Sequence[Pair], eta: float) -> None:
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [total + part for total, part in zip(nabla_b, delta_b, strict=True)]
            nabla_w = [total + part for total, part in zip(nabla_w, delta_w, strict=True)]
        rate = eta / len(mini_batch)
        self.weights = [w - rate * nabla for w, nabla in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - rate * nabla for b, nabla in zip(self.biases, nabla_b, strict=True)]

    def SGD(self, training_data: list[Pair], epochs: int, mini_batch_size: int, eta: float) -> None:
        for _ in range(epochs):
            random.shuffle(training_data)
            for first in range(0, len(training_data), mini_batch_size):
                self.update_mini_batch(training_data[first : first + mini_batch_size], eta)

    def evaluate(self, test_data: list[tuple[Array, int]]) -> int:
        return sum(int(np.argmax(self.feedforward(x)) == y) for x, y in test_data)
