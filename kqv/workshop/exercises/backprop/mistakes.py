"""Typical mistakes in `backprop`, each as the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kqv.workshop.given import activations_of, backprop, sigmoid_prime

Lists = tuple[list[Any], list[Any]]


def _slope(z: Any, a: Any, last: bool) -> Any:
    return sigmoid_prime(z)


def _back(w: Any, delta: Any) -> Any:
    return w.T @ delta


def _outer(delta: Any, a: Any) -> Any:
    return delta @ a.T


def _general(
    *inputs: Any, slope: Callable[..., Any] = _slope, back: Callable[..., Any] = _back,
    outer: Callable[..., Any] = _outer, shift: int = 0,
) -> Lists:  # fmt: skip
    """Backpropagation with exchangeable parts; `shift` takes the weights of another layer on the way back."""
    x, y, weights, biases = inputs
    zs, activations = activations_of(x, weights, biases)
    return _back_from(y, weights, zs, activations, slope, back, outer, shift)


def _back_from(
    y: Any, weights: Any, zs: Any, activations: Any, slope: Callable[..., Any] = _slope,
    back: Callable[..., Any] = _back, outer: Callable[..., Any] = _outer, shift: int = 0,
) -> Lists:  # fmt: skip
    delta = (activations[-1] - y) * slope(zs[-1], activations[-1], True)
    nabla_b, nabla_w = [delta], [outer(delta, activations[-2])]
    for layer in range(len(weights) - 2, -1, -1):
        delta = back(weights[layer + 1 - shift], delta) * slope(zs[layer], activations[layer + 1], False)
        nabla_b.insert(0, delta)
        nabla_w.insert(0, outer(delta, activations[layer]))
    return nabla_b, nabla_w


def swapped(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return nabla_w, nabla_b


def last_layer_only(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return [*map(np.zeros_like, nabla_b[:-1]), nabla_b[-1]], [*map(np.zeros_like, nabla_w[:-1]), nabla_w[-1]]


def first_layer_missing(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return [np.zeros_like(nabla_b[0]), *nabla_b[1:]], [np.zeros_like(nabla_w[0]), *nabla_w[1:]]


def nabla_b_alone(*inputs: Any) -> list[Any]:
    return backprop(*inputs)[0]


def nabla_w_alone(*inputs: Any) -> list[Any]:
    return backprop(*inputs)[1]


def transposed_forward(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    zs, activations = activations_of(x, [w.T for w in weights], biases)
    return _back_from(y, weights, zs, activations)


def reversed_layers(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return nabla_b[::-1], nabla_w[::-1]


def no_outer_product(*inputs: Any) -> Lists:
    nabla_b, _ = backprop(*inputs)
    return nabla_b, nabla_b


def transposed_nabla(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return nabla_b, [w.T for w in nabla_w]


def no_slope_last(*inputs: Any) -> Lists:
    return _general(*inputs, slope=lambda z, a, last: 1.0 if last else sigmoid_prime(z))


def no_slope_hidden(*inputs: Any) -> Lists:
    return _general(*inputs, slope=lambda z, a, last: sigmoid_prime(z) if last else 1.0)


def no_slope(*inputs: Any) -> Lists:
    return _general(*inputs, slope=lambda z, a, last: 1.0)


def slope_of_a(*inputs: Any) -> Lists:
    return _general(*inputs, slope=lambda z, a, last: sigmoid_prime(a))


def weights_not_transposed(*inputs: Any) -> Lists:
    return _general(*inputs, back=lambda w, delta: w @ delta)


def wrong_weights(*inputs: Any) -> Lists:
    return _general(*inputs, shift=1)


def wrong_activations(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    nabla_b, _ = backprop(x, y, weights, biases)
    _, activations = activations_of(x, weights, biases)
    return nabla_b, [delta @ a.T for delta, a in zip(nabla_b, activations[1:], strict=True)]


def z_for_activations(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    nabla_b, _ = backprop(x, y, weights, biases)
    zs, _ = activations_of(x, weights, biases)
    return nabla_b, [delta @ a.T for delta, a in zip(nabla_b, [x, *zs[:-1]], strict=True)]


def wrong_slope(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    zs, activations = activations_of(x, weights, biases)
    return _back_from(y, weights, [*zs[1:], zs[-1]], activations)


def no_sigmoid(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    zs, activations = [], [x]
    for w, b in zip(weights, biases, strict=True):
        zs.append(w @ activations[-1] + b)
        activations.append(zs[-1])
    return _back_from(y, weights, zs, activations)


def picture_everywhere(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    nabla_b, _ = backprop(x, y, weights, biases)
    return nabla_b, [delta @ x.T for delta in nabla_b]


def no_bias(x: Any, y: Any, weights: Any, biases: Any) -> Lists:
    return backprop(x, y, weights, [np.zeros_like(b) for b in biases])


def negative(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return [-b for b in nabla_b], [-w for w in nabla_w]


def no_nabla_b(*inputs: Any) -> Lists:
    nabla_b, nabla_w = backprop(*inputs)
    return [np.zeros_like(b) for b in nabla_b], nabla_w
