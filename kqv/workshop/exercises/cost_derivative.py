"""The derivative of the quadratic cost."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from kqv.arithmetic import Expression
from kqv.workshop.exercise import Case, Exercise, Function, Inputs, Matrix, Methods, Mistake, Training, Value, operand
from kqv.workshop.tries import between, one_hot


def cost_derivative(output_activations: Matrix, y: Matrix) -> Matrix:
    """∂C/∂a = a − y."""
    return output_activations - y


def _cases() -> list[Case]:
    return [
        Case("three classes", {"output_activations": between(11, 3, 1), "y": one_hot(3, 1)}),
        Case("ten classes", {"output_activations": between(12, 10, 1), "y": one_hot(10, 7)}),
    ]


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    a, y = (operand(name, inputs[name]) for name in ("output_activations", "y"))
    return a[index] - y[index]


COST_DERIVATIVE = Function(
    cost_derivative,
    "C = ½·‖y − a‖², so ∂C/∂a = a − y",
    (
        Value("output_activations", "class 1", "what the network says: the activations a of its last layer"),
        Value("y", "class 1", "what is wanted: 1 for the right class, 0 for the others"),
    ),
    (Value("derivative", "class 1", "how fast the cost grows with each output"),),
    _cases,
    _derive,
    (
        Mistake("the sign is reversed", "a − y, not y − a: a larger output than wanted must make the cost grow",
                lambda a, y: y - a),
        Mistake("a factor 2", "the ½ of C = ½·‖y − a‖² takes the 2 of the square away", lambda a, y: 2 * (a - y)),
        Mistake("the cost, not its derivative", "½·Σ(a − y)² is C itself; its derivative has a number for each output",
                lambda a, y: 0.5 * np.sum((a - y) ** 2)),
        Mistake("y is not subtracted", "the cost compares the answer with the target: a − y", lambda a, y: a),
        Mistake("plus in place of minus", "a − y: where the answer is the target, the derivative is 0",
                lambda a, y: a + y),
        Mistake("multiplied in place of subtracted", "a − y, the difference of answer and target", lambda a, y: a * y),
        Mistake("the class's number in place of the one-hot y",
                "y is a column with a 1 at the right class already: a − y",
                lambda a, y: a - np.argmax(y)),
        Mistake("1 in place of y", "y is 1 for the right class only: a − y", lambda a, y: a - 1.0),
        Mistake("the derivative of another cost", "−y/a belongs to the cross-entropy; the quadratic cost has a − y",
                lambda a, y: -y / a),
        Mistake("the cross-entropy", "−y·log a is another cost; the derivative of the quadratic one is a − y",
                lambda a, y: -y * np.log(a)),
        Mistake("squared", "the derivative of ½·(a − y)² is a − y, without the square", lambda a, y: (a - y) ** 2),
        Mistake("half of the square", "the derivative of ½·(a − y)² is a − y", lambda a, y: 0.5 * (a - y) ** 2),
        Mistake("the amount alone", "keep the sign: it says in which direction to go", lambda a, y: np.abs(a - y)),
        Mistake("everything added up", "one number for each output: no sum", lambda a, y: np.sum(a - y)),
        Mistake("mean in place of each output's own", "the quadratic cost of one example adds over the outputs: do not "
                "divide by their number", lambda a, y: (a - y) / len(y)),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    return {"cost_derivative": lambda self, a, y: mine.cost_derivative(a, y)}


EXERCISE = Exercise(
    name="cost_derivative",
    order=30,
    title="how the cost changes with the output: ∂C/∂a",
    task="The quadratic cost is half the squared distance of answer and wish. How does it change with each output?",
    functions=(COST_DERIVATIVE,),
    hints=(
        "Take one output alone: what is the derivative of ½·(a − y)² with respect to a?",
        "The 2 of the square and the ½ cancel. NumPy subtracts whole columns at once.",
        "return output_activations - y",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 2, eq. (27), and its derivative in (BP1)",
    training=Training(
        "every example's error begins with your cost_derivative",
        methods=_methods,
    ),
)
