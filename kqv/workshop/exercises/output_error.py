"""The error of the last layer."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from kqv.arithmetic import Expression, Named, logistic
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.given import cost_derivative, sigmoid, sigmoid_prime
from kqv.workshop.tries import numbers, one_hot


def output_error(z: Matrix, a: Matrix, y: Matrix) -> Matrix:
    """δᴸ = ∂C/∂a ⊙ σ′(zᴸ), with ∂C/∂a = a − y."""
    return cost_derivative(a, y) * sigmoid_prime(z)


def _cases() -> list[Case]:
    cases = []
    for seed, (classes, label) in enumerate(((3, 1), (10, 7))):
        z = numbers(20 + seed, classes, 1)
        cases.append(Case(f"{classes} classes", {"z": z, "a": sigmoid(z), "y": one_hot(classes, label)}))
    return cases


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    z, a, y = (operand(name, inputs[name])[index] for name in ("z", "a", "y"))
    return (a - y) * Named("σ′(z)", logistic(z) * (1.0 - logistic(z)))


OUTPUT_ERROR = Function(
    output_error,
    "δᴸ = ∂C/∂a ⊙ σ′(zᴸ), with ∂C/∂a = a − y",
    (
        Value("z", "class 1", "what comes into the neurons of the last layer"),
        Value("a", "class 1", "their activations, σ(z)"),
        Value("y", "class 1", "what is wanted: 1 for the right class, 0 for the others"),
    ),
    (Value("delta", "class 1", "how fast the cost grows with each z of the last layer"),),
    _cases,
    _derive,
    (
        Mistake("σ′ is missing", "a − y is ∂C/∂a; to get to z, multiply it by the slope σ′(z)", lambda z, a, y: a - y),
        Mistake("a in place of z", "sigmoid_prime applies σ itself: give it z, not the activation a",
                lambda z, a, y: (a - y) * sigmoid_prime(a)),
        Mistake("σ in place of σ′", "the slope is needed, sigmoid_prime(z), not the activation",
                lambda z, a, y: (a - y) * sigmoid(z)),
        Mistake("the sign is reversed", "∂C/∂a is a − y, not y − a", lambda z, a, y: (y - a) * sigmoid_prime(z)),
        Mistake("a matrix product in place of ⊙", "⊙ multiplies element by element: * in NumPy, not np.dot",
                lambda z, a, y: np.dot(a - y, sigmoid_prime(z).T)),
        Mistake("brackets around a − y are missing",
                "(a - y) * sigmoid_prime(z): without brackets only y is multiplied",
                lambda z, a, y: a - y * sigmoid_prime(z)),
        Mistake("z in place of σ′(z)", "the slope is sigmoid_prime(z), not z itself", lambda z, a, y: (a - y) * z),
        Mistake("z·(1 − z) in place of σ′(z)", "σ′ is a·(1 − a) with a = σ(z), not z·(1 − z)",
                lambda z, a, y: (a - y) * z * (1.0 - z)),
        Mistake("divided by the slope", "the chain rule multiplies: ∂C/∂z = ∂C/∂a · ∂a/∂z",
                lambda z, a, y: (a - y) / sigmoid_prime(z)),
        Mistake("a − y is squared", "the derivative of ½·(a − y)² is a − y, without the square",
                lambda z, a, y: (a - y) ** 2 * sigmoid_prime(z)),
        Mistake("a scalar product in place of ⊙",
                "(a − y).T @ σ′(z) is one number; ⊙ is * in NumPy, a number per class",
                lambda z, a, y: np.dot((a - y).T, sigmoid_prime(z))),
        Mistake("added up to one number", "⊙ multiplies element by element: * in NumPy, without a sum",
                lambda z, a, y: np.sum((a - y) * sigmoid_prime(z))),
        Mistake("∂C/∂a is missing", "σ′(z) is one factor; the other is a − y", lambda z, a, y: sigmoid_prime(z)),
        Mistake("z − y in place of a − y", "the cost compares the activation a with y",
                lambda z, a, y: (z - y) * sigmoid_prime(z)),
        Mistake("added in place of multiplied", "⊙ multiplies: * in NumPy", lambda z, a, y: (a - y) + sigmoid_prime(z)),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    from kqv.workshop.networks import backpropagated

    return {"backprop": lambda self, x, y: backpropagated(self, x, y, output_error=mine.output_error)}


EXERCISE = Exercise(
    name="output_error",
    order=40,
    title="the error of the last layer: δᴸ = ∂C/∂a ⊙ σ′(zᴸ)",
    task="The error of the last layer: how the cost changes with what came into its neurons, before σ.",
    functions=(OUTPUT_ERROR,),
    hints=(
        "The cost depends on a, and a on z: the chain rule multiplies the two slopes, for each neuron on its own.",
        "cost_derivative(a, y) is the one slope, sigmoid_prime(z) the other; ⊙ is * in NumPy.",
        "return cost_derivative(a, y) * sigmoid_prime(z)",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 2, (BP1); the article's step 3",
    training=Training(
        "every example's error begins with your output_error; kqv carries it back",
        methods=_methods,
    ),
    imports="from kqv.workshop.given import cost_derivative, sigmoid, sigmoid_prime\n# or import your own",
)
