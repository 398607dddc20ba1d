"""Feedforward: a picture goes in, an answer comes out."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from kqv.arithmetic import Expression, Named, Sum, logistic
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.given import activations_of, sigmoid, sigmoid_prime
from kqv.workshop.tries import SIZES, between, network, titled


def feedforward(a: Matrix, weights: list[Matrix], biases: list[Matrix]) -> Matrix:
    """a = σ(w·a + b), layer after layer."""
    for w, b in zip(weights, biases):  # noqa: B905 - as the article has it
        a = sigmoid(np.dot(w, a) + b)
    return a


def _cases() -> list[Case]:
    return [
        Case(titled(sizes), {"a": between(70 + seed, sizes[0], 1), **network(seed, sizes)})
        for seed, sizes in enumerate(SIZES)
    ]


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    _, activations = activations_of(inputs["a"], inputs["weights"], inputs["biases"])
    last = len(inputs["weights"]) - 1
    before = operand(f"a of layer {last + 1}", activations[-2])
    weight = operand(f"weights[{last}]", inputs["weights"][-1])
    bias = operand(f"biases[{last}]", inputs["biases"][-1])
    neuron = index[0]
    return logistic(Named("z", Sum(weight[neuron, :] * before[:, 0]) + bias[neuron, 0]))


def _no_bias(a: Any, weights: Any, biases: Any) -> Any:
    for w in weights:
        a = sigmoid(w @ a)
    return a


def _no_sigmoid(a: Any, weights: Any, biases: Any) -> Any:
    for w, b in zip(weights, biases, strict=True):
        a = w @ a + b
    return a


def _sigmoid_not_last(a: Any, weights: Any, biases: Any) -> Any:
    a = feedforward(a, weights[:-1], biases[:-1])
    return weights[-1] @ a + biases[-1]


def _sigmoid_last_alone(a: Any, weights: Any, biases: Any) -> Any:
    return sigmoid(_no_sigmoid(a, weights, biases))


def _transposed(a: Any, weights: Any, biases: Any) -> Any:
    return feedforward(a, [w.T for w in weights], biases)


def _first_layer_alone(a: Any, weights: Any, biases: Any) -> Any:
    return feedforward(a, weights[:1], biases[:1])


def _not_the_last_layer(a: Any, weights: Any, biases: Any) -> Any:
    return feedforward(a, weights[:-1], biases[:-1])


def _bias_outside(a: Any, weights: Any, biases: Any) -> Any:
    for w, b in zip(weights, biases, strict=True):
        a = sigmoid(w @ a) + b
    return a


def _minus_bias(a: Any, weights: Any, biases: Any) -> Any:
    return feedforward(a, weights, [-b for b in biases])


def _elementwise(a: Any, weights: Any, biases: Any) -> Any:
    for w, b in zip(weights, biases, strict=True):
        a = sigmoid(w * a + b)
    return a


def _not_passed_on(a: Any, weights: Any, biases: Any) -> Any:
    every = [sigmoid(w @ a + b) for w, b in zip(weights, biases, strict=True)]
    return every[-1]


def _first_layer_skipped(a: Any, weights: Any, biases: Any) -> Any:
    return feedforward(a, weights[1:], biases[1:])


def _whole_activations(a: Any, weights: Any, biases: Any) -> Any:
    for w, b in zip(weights, biases, strict=True):
        a = sigmoid(w @ np.trunc(a) + b)
    return a


def _with(activation: Callable[[Any], Any]) -> Callable[..., Any]:
    def forward(a: Any, weights: Any, biases: Any) -> Any:
        for w, b in zip(weights, biases, strict=True):
            a = activation(w @ a + b)
        return a

    return forward


def _flat_bias(a: Any, weights: Any, biases: Any) -> Any:
    return feedforward(a, weights, [b.ravel() for b in biases])


FEEDFORWARD = Function(
    feedforward,
    "zˡ = wˡ·aˡ⁻¹ + bˡ and aˡ = σ(zˡ), for l = 2, 3, …, L",
    (
        Value("a", "in 1", "the picture, a column of numbers from 0 to 1"),
        Value("weights", "out in", "the weights into each layer", many=True),
        Value("biases", "out 1", "the biases of each layer", many=True),
    ),
    (Value("a", "out 1", "the activations of the last layer"),),
    _cases,
    _derive,
    (
        Mistake("the bias is forgotten", "each layer adds its own: np.dot(w, a) + b", _no_bias),
        Mistake("σ is missing", "every layer ends with a = sigmoid(z)", _no_sigmoid),
        Mistake("σ is missing in the last layer", "the last layer is a layer like the others", _sigmoid_not_last),
        Mistake("σ in the last layer alone", "sigmoid belongs into the loop: every layer has it", _sigmoid_last_alone),
        Mistake("the weights are transposed", "w is [out, in] already: np.dot(w, a), without .T", _transposed),
        Mistake("the first layer alone", "return after the loop, not in it; and give a on to the next layer",
                _first_layer_alone),
        Mistake("the last layer is missing", "go through all of the weights", _not_the_last_layer),
        Mistake("the bias is added outside σ", "σ(w·a + b), not σ(w·a) + b", _bias_outside),
        Mistake("the bias is subtracted", "z = w·a + b, with a plus", _minus_bias),
        Mistake("* in place of a matrix product",
                "w * a multiplies element by element; a neuron adds up over its inputs: "
                "w @ a, or np.dot(w, a)", _elementwise),
        Mistake("every layer is given the picture", "what comes out of a layer goes into the next one: a = sigmoid(…)",
                _not_passed_on),
        Mistake("the first layer is skipped",
                "weights[0] leads into the first layer: begin with it, not with weights[1]",
                _first_layer_skipped),
        Mistake("the activations are rounded to whole numbers",
                "leave out astype(int): activations lie between 0 and 1",
                _whole_activations),
        Mistake("σ′ in place of σ", "forward, each layer ends with sigmoid(z); its slope is for the way back",
                _with(sigmoid_prime)),
        Mistake("tanh in place of σ", "this network's activation is sigmoid(z), from 0 to 1", _with(np.tanh)),
        Mistake("ReLU in place of σ", "this network's activation is sigmoid(z), from 0 to 1",
                _with(lambda z: np.maximum(z, 0.0))),
        Mistake("the bias is a flat row", "b is a column [out, 1]; as a flat row it makes a square of the sum",
                _flat_bias),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    return {"feedforward": lambda self, a: mine.feedforward(a, self.weights, self.biases)}


EXERCISE = Exercise(
    name="feedforward",
    order=20,
    title="from the picture to the answer: a = σ(w·a + b), layer after layer",
    task="Let a picture go through the network: layer after layer, until the answer comes out.",
    functions=(FEEDFORWARD,),
    hints=(
        "Each layer does the same, with weights and a bias of its own; what comes out of one goes into the next.",
        "zip(weights, biases) gives the two of a layer together. np.dot(w, a): [out, in] times [in, 1] is [out, 1].",
        "for w, b in zip(weights, biases): a = sigmoid(np.dot(w, a) + b)   and at the end   return a",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 1, eq. (22); the article's step 2, Feedforward",
    training=Training(
        "your feedforward recognises the digits; kqv's backprop learns",
        methods=_methods,
    ),
    imports="from kqv.workshop.given import sigmoid\n# or your own: from sigmoid import sigmoid",
)
