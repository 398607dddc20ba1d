"""The error, carried one layer back."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from kqv.arithmetic import Expression, Named, Sum, logistic
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.given import sigmoid, sigmoid_prime
from kqv.workshop.tries import numbers


def backpropagated_error(w_next: Matrix, delta_next: Matrix, z: Matrix) -> Matrix:
    """δˡ = ((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)."""
    return np.dot(w_next.T, delta_next) * sigmoid_prime(z)


def _cases() -> list[Case]:
    return [
        Case(
            f"a layer of {inputs} before one of {outputs}",
            {
                "w_next": numbers(30 + seed, outputs, inputs),
                "delta_next": numbers(40 + seed, outputs, 1),
                "z": numbers(50 + seed, inputs, 1),
            },
        )
        for seed, (inputs, outputs) in enumerate(((3, 2), (5, 4), (3, 3)))
    ]


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    w, delta, z = (operand(name, inputs[name]) for name in ("w_next", "delta_next", "z"))
    slope = Named("σ′(z)", logistic(z[index]) * (1.0 - logistic(z[index])))
    return Named("(wᵀδ)", Sum(w[:, index[0]] * delta[:, 0])) * slope


BACKPROPAGATED_ERROR = Function(
    backpropagated_error,
    "δˡ = ((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)",
    (
        Value("w_next", "out in", "the weights from this layer (in) to the next one (out)"),
        Value("delta_next", "out 1", "the error of the next layer"),
        Value("z", "in 1", "what came into the neurons of this layer"),
    ),
    (Value("delta", "in 1", "the error of this layer"),),
    _cases,
    _derive,
    (
        Mistake("the transposition is missing", "going back, the weights are used the other way round: w_next.T",
                lambda w, d, z: np.dot(w, d) * sigmoid_prime(z)),
        Mistake("σ′ is missing", "the error must go back through σ, too: ⊙ σ′(z)", lambda w, d, z: np.dot(w.T, d)),
        Mistake("a in place of z", "sigmoid_prime applies σ itself: give it z, not σ(z)",
                lambda w, d, z: np.dot(w.T, d) * sigmoid_prime(sigmoid(z))),
        Mistake("σ in place of σ′", "the slope is needed: sigmoid_prime(z)",
                lambda w, d, z: np.dot(w.T, d) * sigmoid(z)),
        Mistake("the sign is reversed", "errors are carried back as they are, without a minus",
                lambda w, d, z: -np.dot(w.T, d) * sigmoid_prime(z)),
        Mistake("the weights are not added up", "(wᵀδ) sums over the next layer's neurons: np.dot, not *",
                lambda w, d, z: (w.T * d.T) * sigmoid_prime(z)),
        Mistake("* in place of a matrix product",
                "* multiplies element by element; (wᵀδ) adds up over the next layer's "
                "neurons: np.dot(w_next.T, delta_next)", lambda w, d, z: w * d * sigmoid_prime(z)),
        Mistake("wᵀ * δ in place of a matrix product", "* multiplies element by element; (wᵀδ) adds up over the next "
                "layer's neurons: np.dot(w_next.T, delta_next)", lambda w, d, z: w.T * d * sigmoid_prime(z)),
        Mistake("⊙ comes before the product", "σ′(z) is this layer's: carry the error back first, (wᵀδ), then ⊙ σ′(z)",
                lambda w, d, z: np.dot(w.T, d * sigmoid_prime(z))),
        Mistake("the weights are missing", "the error comes back along the weights: np.dot(w_next.T, delta_next)",
                lambda w, d, z: d * sigmoid_prime(z)),
        Mistake("the inverse in place of the transpose", "ᵀ swaps rows and columns, w_next.T; it does not invert",
                lambda w, d, z: np.dot(np.linalg.inv(w), d) * sigmoid_prime(z)),
        Mistake("z in place of σ′(z)", "the slope is sigmoid_prime(z), not z itself",
                lambda w, d, z: np.dot(w.T, d) * z),
        Mistake("the next layer's error is missing", "multiply wᵀ by delta_next, don't just sum the weights",
                lambda w, d, z: np.sum(w, axis=0, keepdims=True).T * sigmoid_prime(z)),
        Mistake("added in place of multiplied", "⊙ multiplies: * in NumPy",
                lambda w, d, z: np.dot(w.T, d) + sigmoid_prime(z)),
        Mistake("a flat row in place of a column", "keep the column [in, 1]: without flatten() or ravel()",
                lambda w, d, z: (np.dot(w.T, d) * sigmoid_prime(z)).ravel()),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    from kqv.workshop.networks import backpropagated

    return {"backprop": lambda self, x, y: backpropagated(self, x, y, error_before=mine.backpropagated_error)}


EXERCISE = Exercise(
    name="backpropagated_error",
    order=50,
    title="the error one layer back: δˡ = (wˡ⁺¹)ᵀ δˡ⁺¹ ⊙ σ′(zˡ)",
    task="Carry the error one layer back: each neuron is to blame for what it sent on, along its weights.",
    functions=(BACKPROPAGATED_ERROR,),
    hints=(
        "A neuron acts on the cost through all neurons of the next layer: add up what comes back along the weights.",
        "np.dot(w_next.T, delta_next) is that sum, [in, 1]; then through σ: multiply by its slope at z.",
        "return np.dot(w_next.T, delta_next) * sigmoid_prime(z)",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 2, (BP2); the article's step 4",
    training=Training(
        "your backpropagated_error carries every example's error back",
        methods=_methods,
    ),
    imports="from kqv.workshop.given import sigmoid, sigmoid_prime\n# or your own: from sigmoid import sigmoid_prime",
)
