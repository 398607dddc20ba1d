"""Backpropagation: the gradients of all weights and biases for one example."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from kqv.workshop.exercise import Case, Exercise, Function, Matrix, Methods, Mistake, Training, Value
from kqv.workshop.exercises.backprop import mistakes as wrong
from kqv.workshop.exercises.backprop.arithmetic import derive
from kqv.workshop.given import cost_derivative, sigmoid, sigmoid_prime
from kqv.workshop.tries import SIZES, between, network, one_hot, titled


def backprop(
    x: Matrix, y: Matrix, weights: list[Matrix], biases: list[Matrix]
) -> tuple[list[Matrix], list[Matrix]]:  # fmt: skip
    """∂C/∂b = δ and ∂C/∂w = δ·aᵀ of every layer, the first layer first."""
    activations, zs = [x], []
    for w, b in zip(weights, biases):  # noqa: B905 - as the article has it
        zs.append(np.dot(w, activations[-1]) + b)
        activations.append(sigmoid(zs[-1]))
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    delta = cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1])
    for layer in range(1, len(weights) + 1):  # counted from the end
        if layer > 1:
            delta = np.dot(weights[-layer + 1].T, delta) * sigmoid_prime(zs[-layer])
        nabla_b[-layer] = delta
        nabla_w[-layer] = np.dot(delta, activations[-layer - 1].T)
    return nabla_b, nabla_w


def _cases() -> list[Case]:
    return [
        Case(titled(sizes), {"x": between(80 + seed, sizes[0], 1), "y": one_hot(sizes[-1], 1), **network(seed, sizes)})
        for seed, sizes in enumerate(SIZES)
    ]


BACKPROP = Function(
    backprop,
    "δᴸ = (aᴸ − y) ⊙ σ′(zᴸ);  δˡ = ((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ);  ∂C/∂bˡ = δˡ;  ∂C/∂wˡ = δˡ·(aˡ⁻¹)ᵀ",
    (
        Value("x", "in 1", "the picture, a column of numbers from 0 to 1"),
        Value("y", "class 1", "what is wanted: 1 for the right class, 0 for the others"),
        Value("weights", "out in", "the weights into each layer", many=True),
        Value("biases", "out 1", "the biases of each layer", many=True),
    ),
    (
        Value("nabla_b", "out 1", "∂C/∂b, layer by layer as in biases", many=True),
        Value("nabla_w", "out in", "∂C/∂w, layer by layer as in weights", many=True),
    ),
    _cases,
    derive,
    (
        Mistake("nabla_w and nabla_b are swapped", "return nabla_b, nabla_w: the biases' gradients come first",
                wrong.swapped, whole=True),
        Mistake("the last layer only", "the error goes on back: for each layer before, a new delta from the next one's",
                wrong.last_layer_only),
        Mistake("the first layer is missing", "the loop ends one layer too early: range(2, len(weights) + 1)",
                wrong.first_layer_missing),
        Mistake("nabla_b alone", "return both: return nabla_b, nabla_w", wrong.nabla_b_alone),
        Mistake("nabla_w alone", "return both: return nabla_b, nabla_w", wrong.nabla_w_alone),
        Mistake("the weights are transposed on the way forward", "w is [out, in] already: np.dot(w, a)",
                wrong.transposed_forward),
        Mistake("the layers are in reverse order", "nabla_b[0] belongs to the first layer: put each new one in front, "
                "or fill the lists from their end", wrong.reversed_layers, whole=True),
        Mistake("the outer product is missing", "∂C/∂w is δ times the activations of the layer before: "
                "np.dot(delta, activations[-2].T)", wrong.no_outer_product),
        Mistake("nabla_w is transposed", "[out, in] is np.dot(delta, a.T): delta first", wrong.transposed_nabla),
        Mistake("σ′ is missing in the last layer", "δᴸ is (a − y) ⊙ σ′(z)", wrong.no_slope_last),
        Mistake("σ′ is missing in the hidden layers", "going back, each error goes through σ, too: ⊙ σ′(z)",
                wrong.no_slope_hidden),
        Mistake("σ′ is missing everywhere", "each delta ends with ⊙ sigmoid_prime(z)", wrong.no_slope),
        Mistake("a in place of z", "sigmoid_prime applies σ itself: give it zs, not activations", wrong.slope_of_a),
        Mistake("the weights are not transposed", "going back, the weights are used the other way round: w.T",
                wrong.weights_not_transposed),
        Mistake("the weights of the wrong layer", "δˡ uses the weights of the *next* layer: weights[-l + 1]",
                wrong.wrong_weights),
        Mistake("the activations of the wrong layer", "∂C/∂w takes what went *into* the layer: activations[-l - 1]",
                wrong.wrong_activations),
        Mistake("z in place of a", "∂C/∂w is δ times the activations of the layer before, after σ",
                wrong.z_for_activations),
        Mistake("the z of the wrong layer", "δˡ takes σ′ at the z of its own layer: sigmoid_prime(zs[-l])",
                wrong.wrong_slope),
        Mistake("σ is missing on the way forward", "each layer ends with activation = sigmoid(z)", wrong.no_sigmoid),
        Mistake("the picture in place of the layer before", "∂C/∂w takes the activations of the layer before; only the "
                "first layer's are x", wrong.picture_everywhere),
        Mistake("the bias is forgotten on the way forward", "z = np.dot(w, a) + b", wrong.no_bias),
        Mistake("the sign is reversed", "∂C/∂a is a − y, not y − a", wrong.negative),
        Mistake("nabla_b is left at zero", "∂C/∂b of a layer is its delta: nabla_b[-l] = delta", wrong.no_nabla_b),
    ),
    last_layer_first=True,
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    return {"backprop": lambda self, x, y: mine.backprop(x, y, self.weights, self.biases)}


EXERCISE = Exercise(
    name="backprop",
    order=60,
    title="the gradient of every weight and bias, in one backward pass",
    task="The heart of the matter: how the cost of one example changes with every single weight and bias.",
    functions=(BACKPROP,),
    hints=(
        "Forward first, and keep every z and every a (x is the first a). Then the error of the last layer, "
        "and from it, layer by layer back, the error of each one before.",
        "With delta, the error of a layer: nabla_b is delta, nabla_w is np.dot(delta, a_before.T). "
        "One layer back: delta = np.dot(w_next.T, delta) * sigmoid_prime(z).",
        "delta = cost_derivative(activations[-1], y) * sigmoid_prime(zs[-1]); nabla_b[-1] = delta; "
        "nabla_w[-1] = np.dot(delta, activations[-2].T); for l in range(2, len(weights) + 1): "
        "delta = np.dot(weights[-l + 1].T, delta) * sigmoid_prime(zs[-l]); nabla_b[-l] = delta; "
        "nabla_w[-l] = np.dot(delta, activations[-l - 1].T)",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 2, (BP1) to (BP4); the article's five steps",
    training=Training(
        "your backprop computes every gradient",
        methods=_methods,
    ),
    imports="from kqv.workshop.given import cost_derivative, sigmoid, sigmoid_prime\n# or import your own",
)
