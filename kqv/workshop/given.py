"""What a learner's file may use: the functions of the exercises before it, as the article has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Gradients = tuple[list[Matrix], list[Matrix]]


def sigmoid(z: Matrix) -> Matrix:
    """σ(z) = 1/(1 + exp(−z)), written so that exp cannot overflow."""
    small = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, small) / (1.0 + small))


def sigmoid_prime(z: Matrix) -> Matrix:
    """σ′(z) = σ(z)·(1 − σ(z))."""
    return sigmoid(z) * (1.0 - sigmoid(z))


def cost_derivative(output_activations: Matrix, y: Matrix) -> Matrix:
    """∂C/∂a = a − y of the quadratic cost."""
    return output_activations - y


def activations_of(x: Matrix, weights: Sequence[Matrix], biases: Sequence[Matrix]) -> tuple[list[Matrix], list[Matrix]]:
    """Every layer's z and a: `(zs, activations)`, the input first among the activations."""
    zs, activations = [], [x]
    for w, b in zip(weights, biases, strict=True):
        zs.append(np.dot(w, activations[-1]) + b)
        activations.append(sigmoid(zs[-1]))
    return zs, activations


def backprop(x: Matrix, y: Matrix, weights: Sequence[Matrix], biases: Sequence[Matrix]) -> Gradients:
    """The gradients `(nabla_b, nabla_w)` of the quadratic cost for one example, layer by layer."""
    zs, activations = activations_of(x, weights, biases)
    delta = cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
    nabla_b, nabla_w = [delta], [np.dot(delta, activations[-2].T)]
    for layer in range(len(weights) - 2, -1, -1):
        delta = np.dot(weights[layer + 1].T, delta) * sigmoid_prime(zs[layer])
        nabla_b.insert(0, delta)
        nabla_w.insert(0, np.dot(delta, activations[layer].T))
    return nabla_b, nabla_w


def cubic(w: Matrix) -> float:
    """A cost for trying gradients: Σ w³."""
    return float(np.sum(w**3))


def wavy(w: Matrix) -> float:
    """A cost for trying gradients in which the weights depend on each other: sin(Σ w) + Σ w²."""
    return float(np.sin(np.sum(w)) + np.sum(w**2))


def numerical_gradient(cost: Callable[[Any], float], w: Matrix, epsilon: float) -> Matrix:
    """∂C/∂w by central differences."""
    gradient = np.zeros(w.shape)
    for index in np.ndindex(*w.shape):
        up, down = w.copy(), w.copy()
        up[index] += epsilon
        down[index] -= epsilon
        gradient[index] = (cost(up) - cost(down)) / (2 * epsilon)
    return gradient
