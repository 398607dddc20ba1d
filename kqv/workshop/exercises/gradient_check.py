"""Gradients by finite differences, and how far two gradients lie apart."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from kqv.arithmetic import Constant, Expression, Named, Power, Sum, sqrt
from kqv.workshop.exercise import (
    Case,
    Exercise,
    Function,
    Inputs,
    Matrix,
    Methods,
    Mistake,
    Provided,
    Training,
    Value,
    operand,
)
from kqv.workshop.tries import numbers


def numerical_gradient(cost: Callable[..., Any], w: Matrix, epsilon: float) -> Matrix:
    """∂C/∂w[i] ≈ (C(w + ε at i) − C(w − ε at i)) / 2ε."""
    gradient = np.zeros(w.shape)
    for index in np.ndindex(w.shape):
        up, down = w.copy(), w.copy()
        up[index] += epsilon
        down[index] -= epsilon
        gradient[index] = (cost(up) - cost(down)) / (2 * epsilon)
    return gradient


def relative_error(gradient: Matrix, numerical: Matrix) -> Any:
    """‖g − n‖ / (‖g‖ + ‖n‖)."""
    distance = np.sqrt(np.sum((gradient - numerical) ** 2))
    return distance / (np.sqrt(np.sum(gradient**2)) + np.sqrt(np.sum(numerical**2)))


def _cases() -> list[Case]:
    w = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
    return [
        Case("the cost Σw³", {"cost": Provided("cubic"), "w": w, "epsilon": 0.1}),
        Case("a cost in which the weights depend on each other",
             {"cost": Provided("wavy"), "w": numbers(21, 3, 2), "epsilon": 0.01}),
    ]  # fmt: skip


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    cost, w, epsilon = inputs["cost"].function(), inputs["w"], float(inputs["epsilon"])
    moved = []
    for sign, step in (("+", epsilon), ("−", -epsilon)):
        there = w.copy()
        there[index] += step
        moved.append(operand(f"C(w with {sign}{epsilon:g} at {','.join(map(str, index))})", cost(there))[()])
    return (moved[0] - moved[1]) / (2.0 * Constant(epsilon))


def _differences(
    cost: Any, w: Any, epsilon: float, up: float = 1.0, down: float = 1.0, share: float = 2.0, everywhere: bool = False
) -> Any:  # fmt: skip
    """(C(w + up·ε) − C(w − down·ε)) / (share·ε), at each position alone or everywhere at once."""
    gradient = np.zeros(w.shape)
    for index in np.ndindex(w.shape):
        step = np.full(w.shape, epsilon) if everywhere else np.zeros(w.shape)
        step[index] = epsilon
        gradient[index] = (cost(w + up * step) - cost(w - down * step)) / (share * epsilon)
    return gradient


def _not_put_back(cost: Any, w: Any, epsilon: float, back: float) -> Any:
    gradient = np.zeros(w.shape)
    for index in np.ndindex(w.shape):
        w[index] += epsilon
        above = cost(w)
        w[index] -= 2 * epsilon
        gradient[index] = (above - cost(w)) / (2 * epsilon)
        w[index] += back * epsilon
    return gradient


def _first_alone(cost: Any, w: Any, epsilon: float) -> Any:
    gradient = _differences(cost, w, epsilon)
    gradient.flat[1:] = 0.0
    return gradient


def _cost_of_difference(cost: Any, w: Any, epsilon: float) -> Any:
    gradient = np.zeros(w.shape)
    for index in np.ndindex(w.shape):
        step = np.zeros(w.shape)
        step[index] = 2 * epsilon
        gradient[index] = cost(step) / (2 * epsilon)
    return gradient


def _rows_moved(cost: Any, w: Any, epsilon: float) -> Any:
    gradient = np.zeros(w.shape)
    for row in range(len(w)):
        step = np.zeros(w.shape)
        step[row] = epsilon
        gradient[row] = (cost(w + step) - cost(w - step)) / (2 * epsilon)
    return gradient


NUMERICAL = Function(
    numerical_gradient,
    "∂C/∂w[i] ≈ (C(w + ε at i) − C(w − ε at i)) / 2ε, for each element i",
    (
        Value("cost", "", "cost(w) gives the number C", note="a function"),
        Value("w", "out in", "where the gradient is wanted"),
        Value("epsilon", "", "the small step ε"),
    ),
    (Value("gradient", "out in", "one slope for each element of w"),),
    _cases,
    _derive,
    (
        Mistake("ε in place of 2ε", "from w − ε to w + ε it is 2ε: divide by 2 * epsilon",
                lambda cost, w, e: _differences(cost, w, e, share=1.0)),
        Mistake("one-sided differences", "go ε up and ε down: the error is then of order ε², not ε",
                lambda cost, w, e: _differences(cost, w, e, down=0.0, share=1.0)),
        Mistake("one-sided differences, downwards", "go ε up and ε down: the error is then of order ε², not ε",
                lambda cost, w, e: _differences(cost, w, e, up=0.0, share=1.0)),
        Mistake("one-sided, but divided by 2ε", "go ε up and ε down",
                lambda cost, w, e: _differences(cost, w, e, down=0.0)),
        Mistake("the sign is reversed", "C(w + ε) − C(w − ε), in this order",
                lambda cost, w, e: -_differences(cost, w, e)),
        Mistake("all elements are moved at once", "move one element, leave the others where they are",
                lambda cost, w, e: _differences(cost, w, e, everywhere=True)),
        Mistake("whole rows are moved at once", "move one element: w has two axes, and np.ndindex(w.shape) goes "
                "through all of its positions", _rows_moved),
        Mistake("the moved element is not put back", "after the two costs, put w[index] back, or move a copy: w.copy()",
                lambda cost, w, e: _not_put_back(cost, w, e, 0.0)),
        Mistake("both costs are of the same w", "up and down must be two arrays: up, down = w.copy(), w.copy()",
                lambda cost, w, e: np.zeros(w.shape)),
        Mistake("the loop ends after the first element", "return stands in the loop: put it behind", _first_alone),
        Mistake("gradient is overwritten", "each slope belongs into its own element: gradient[index] = …",
                lambda cost, w, e: float(_differences(cost, w, e).flat[-1])),
        Mistake("the cost of the difference", "the difference of the costs: cost(up) − cost(down), not cost(up − down)",
                _cost_of_difference),
        Mistake("ε is missing in the division", "a slope is a difference divided by the distance, 2 * epsilon",
                lambda cost, w, e: _differences(cost, w, e) * 2 * e),
        Mistake("brackets around 2ε are missing", "/ (2 * epsilon): without brackets, / 2 * epsilon multiplies by ε",
                lambda cost, w, e: _differences(cost, w, e) * e * e),
    ),
)  # fmt: skip


def _norm(a: Any) -> Any:
    return np.sqrt(np.sum(np.asarray(a) ** 2))


def _error_cases() -> list[Case]:
    gradient = numbers(22, 2, 3)
    return [
        Case("gradients that nearly agree", {"gradient": gradient, "numerical": gradient + 0.01 * numbers(23, 2, 3)}),
        Case("a gradient that is too long", {"gradient": 1.5 * gradient, "numerical": gradient}),
        Case("gradients that do not agree", {"gradient": numbers(24, 3, 2), "numerical": numbers(25, 3, 2)}),
    ]


def _derive_error(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    gradient, numerical = (operand(name, inputs[name])[...] for name in ("gradient", "numerical"))
    lengths = [sqrt(Sum(Power(part, 2))) for part in (gradient - numerical, gradient, numerical)]
    distance, mine, theirs = (
        Named(name, length) for name, length in zip(("‖g − n‖", "‖g‖", "‖n‖"), lengths, strict=True)
    )
    return distance / (mine + theirs)


RELATIVE = Function(
    relative_error,
    "error = ‖g − n‖ / (‖g‖ + ‖n‖), where ‖g‖ = √Σg²",
    (
        Value("gradient", "out in", "the gradient g to be checked"),
        Value("numerical", "out in", "the numerical one, n"),
    ),
    (Value("error", "", "0 where they agree, 1 where they point in opposite directions"),),
    _error_cases,
    _derive_error,
    (
        Mistake("not divided by the lengths", "a distance says little without the sizes: divide by ‖g‖ + ‖n‖",
                lambda g, n: _norm(g - n)),
        Mistake("the root is missing", "‖g‖ is the root of the sum of squares: np.sqrt, or np.linalg.norm",
                lambda g, n: _norm(g - n) ** 2 / (_norm(g) ** 2 + _norm(n) ** 2)),
        Mistake("divided by the longer length alone", "divide by the sum of both lengths",
                lambda g, n: _norm(g - n) / max(_norm(g), _norm(n))),
        Mistake("the largest difference", "‖g − n‖ adds up over all elements: √Σ(g − n)²",
                lambda g, n: np.max(np.abs(g - n))),
        Mistake("brackets around the denominator are missing",
                "/ (‖g‖ + ‖n‖): without brackets ‖n‖ is added to the quotient",
                lambda g, n: _norm(g - n) / _norm(g) + _norm(n)),
        Mistake("divided by one length alone", "divide by the sum of both lengths",
                lambda g, n: _norm(g - n) / _norm(g)),
        Mistake("divided by the other length alone", "divide by the sum of both lengths",
                lambda g, n: _norm(g - n) / _norm(n)),
        Mistake("each element on its own", "one number for both: the lengths of the whole arrays",
                lambda g, n: np.abs(g - n) / (np.abs(g) + np.abs(n))),
        Mistake("amounts in place of squares", "‖g‖ is √Σg², not Σ|g|",
                lambda g, n: np.sum(np.abs(g - n)) / (np.sum(np.abs(g)) + np.sum(np.abs(n)))),
        Mistake("the difference of the lengths", "‖g − n‖ is the length of the difference",
                lambda g, n: abs(_norm(g) - _norm(n)) / (_norm(g) + _norm(n))),
        Mistake("divided by the length of the sum", "‖g‖ + ‖n‖, not ‖g + n‖", lambda g, n: _norm(g - n) / _norm(g + n)),
    ),
)  # fmt: skip

EPSILON = 1e-4
"""The step of the finite differences that the network learns by."""


def _cost_of(batch: Any) -> Callable[[Any, Any], float]:
    """The mean cross-entropy of a network without hidden layers, as a function of its weights and biases."""
    x, y = (np.concatenate(part, axis=1) for part in zip(*batch, strict=True))

    def cost(w: Any, b: Any) -> float:
        z = np.dot(w, x) + b
        z -= z.max(axis=0)
        return float(np.sum(np.log(np.sum(np.exp(z), axis=0))) - np.sum(y * z)) / len(batch)

    return cost


def _methods(mine: ModuleType) -> Methods:
    def update(self: Any, batch: Any, eta: float) -> None:
        """One step with gradients that are nothing but differences of costs."""
        cost, (w,), (b,) = _cost_of(batch), self.weights, self.biases
        step_w = mine.numerical_gradient(lambda moved: cost(moved, b), w.copy(), EPSILON)
        step_b = mine.numerical_gradient(lambda moved: cost(w, moved), b.copy(), EPSILON)
        self.weights, self.biases = [w - eta * step_w], [b - eta * step_b]

    return {"update_mini_batch": update}


def _apart(network: Any, mine: ModuleType, batch: Any) -> float:
    """How far the learner's numerical gradient of the weights is from kqv's backpropagation, by their own measure."""
    cost = _cost_of(batch)
    numerical = mine.numerical_gradient(lambda w: cost(w, network.biases[0]), network.weights[0].copy(), EPSILON)
    analytical = sum(network.backprop(x, y)[1][0] for x, y in batch) / len(batch)
    return float(mine.relative_error(analytical, numerical))


EXERCISE = Exercise(
    name="gradient_check",
    order=80,
    title="gradients without calculus, to check the others with",
    task="A gradient without any calculus: move one weight by a little and see what the cost does. Slow, but honest.",
    functions=(NUMERICAL, RELATIVE),
    hints=(
        "A slope is a difference of costs divided by a distance. Do it for each element of w, the others at rest.",
        "for index in np.ndindex(w.shape) goes through all elements; move a copy: up = w.copy(); up[index] += epsilon.",
        "gradient[index] = (cost(up) - cost(down)) / (2 * epsilon)   and   "
        "return norm(gradient - numerical) / (norm(gradient) + norm(numerical)), with norm = np.linalg.norm",
    ),
    source="central differences; Goodfellow, Bengio, Courville, Deep Learning, section 11.5",
    training=Training(
        "nobody uses calculus: your numerical_gradient makes every gradient",
        hidden=(),
        epochs=4,
        batch=30,
        eta=1.0,
        cost="cross-entropy",
        methods=_methods,
        apart=_apart,
    ),
)
