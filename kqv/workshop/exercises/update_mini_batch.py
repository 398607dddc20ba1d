"""One step of learning with a mini-batch."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from kqv.arithmetic import Expression, Named, Total
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
from kqv.workshop.given import backprop as gradients_of
from kqv.workshop.tries import between, network, one_hot

Lists = tuple[list[Any], list[Any]]


def update_mini_batch(
    mini_batch: list[tuple[Matrix, Matrix]],
    eta: float,
    weights: list[Matrix],
    biases: list[Matrix],
    backprop: Callable[..., Any],
) -> tuple[list[Matrix], list[Matrix]]:
    """w → w − η/m · Σ ∂C/∂w, and b → b − η/m · Σ ∂C/∂b, the sum over the m examples."""
    sum_b = [np.zeros(b.shape) for b in biases]
    sum_w = [np.zeros(w.shape) for w in weights]
    for x, y in mini_batch:
        nabla_b, nabla_w = backprop(x, y, weights, biases)
        sum_b = [total + nabla for total, nabla in zip(sum_b, nabla_b)]  # noqa: B905
        sum_w = [total + nabla for total, nabla in zip(sum_w, nabla_w)]  # noqa: B905
    step = eta / len(mini_batch)
    weights = [w - step * nabla for w, nabla in zip(weights, sum_w)]  # noqa: B905
    biases = [b - step * nabla for b, nabla in zip(biases, sum_b)]  # noqa: B905
    return weights, biases


def _cases() -> list[Case]:
    cases = []
    for seed, (sizes, count, eta) in enumerate((([4, 3, 2], 3, 0.5), ([5, 4, 3, 2], 4, 3.0), ([3, 3, 3], 2, 5.0))):
        batch = [(between(90 + 7 * seed + at, sizes[0], 1), one_hot(sizes[-1], at % sizes[-1])) for at in range(count)]
        parts = network(60 + seed, sizes)
        title = f"a network {sizes}, {count} examples, η {eta:g}"
        cases.append(Case(title, {"mini_batch": batch, "eta": eta, **parts, "backprop": Provided("backprop")}))
    return cases


def _derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    weights, biases, batch = inputs["weights"], inputs["biases"], inputs["mini_batch"]
    kind, layer = divmod(position, len(weights))
    before = operand(f"{('weights', 'biases')[kind]}[{layer}]", (weights, biases)[kind][layer])
    terms = []
    for number, (x, y) in enumerate(batch):
        nabla_b, nabla_w = gradients_of(x, y, weights, biases)
        name = f"example {number}'s {('nabla_w', 'nabla_b')[kind]}[{layer}]"
        terms.append(operand(name, (nabla_w, nabla_b)[kind][layer])[index])
    return before[index] - float(inputs["eta"]) / float(len(batch)) * Named("Σ∇", Total(tuple(terms)))


def _stepped(batch: Any, weights: Any, biases: Any, backprop: Any, step: float, at: slice = slice(None)) -> Lists:
    """The update with a factor of one's own in front of the sum, over a part of the examples."""
    every = [backprop(x, y, weights, biases) for x, y in batch[at]]
    return (
        [w - step * sum(nabla_w[layer] for _, nabla_w in every) for layer, w in enumerate(weights)],
        [b - step * sum(nabla_b[layer] for nabla_b, _ in every) for layer, b in enumerate(biases)],
    )


def _one_by_one(batch: Any, eta: float, weights: Any, biases: Any, backprop: Any) -> Lists:
    for example in batch:
        weights, biases = _stepped([example], weights, biases, backprop, eta / len(batch))
    return weights, biases


def _step_in_the_loop(batch: Any, eta: float, weights: Any, biases: Any, backprop: Any) -> Lists:
    sum_b, sum_w = [np.zeros_like(b) for b in biases], [np.zeros_like(w) for w in weights]
    for x, y in batch:
        nabla_b, nabla_w = backprop(x, y, weights, biases)
        sum_b = [total + nabla for total, nabla in zip(sum_b, nabla_b, strict=True)]
        sum_w = [total + nabla for total, nabla in zip(sum_w, nabla_w, strict=True)]
        weights = [w - eta / len(batch) * nabla for w, nabla in zip(weights, sum_w, strict=True)]
        biases = [b - eta / len(batch) * nabla for b, nabla in zip(biases, sum_b, strict=True)]
    return weights, biases


def _swapped_gradients(batch: Any, eta: float, weights: Any, biases: Any, backprop: Any) -> Lists:
    return _stepped(batch, weights, biases, lambda *inputs: backprop(*inputs)[::-1], eta / len(batch))


def _gradients(batch: Any, eta: float, weights: Any, biases: Any, backprop: Any) -> Lists:
    still = [np.zeros_like(w) for w in weights], [np.zeros_like(b) for b in biases]
    return _stepped(batch, *still, lambda x, y, *_: backprop(x, y, weights, biases), -1.0)


UPDATE = Function(
    update_mini_batch,
    "w → w − η/m · Σ ∂C/∂w and b → b − η/m · Σ ∂C/∂b, the sums over the m examples of the mini-batch",
    (
        Value("mini_batch", "", "the examples: x [in, 1] and y [class, 1]", note="a list of pairs (x, y)"),
        Value("eta", "", "the learning rate η"),
        Value("weights", "out in", "the weights into each layer", many=True),
        Value("biases", "out 1", "the biases of each layer", many=True),
        Value("backprop", "", "backprop(x, y, weights, biases) gives (nabla_b, nabla_w)", note="a function"),
    ),
    (
        Value("weights", "out in", "the new weights", many=True),
        Value("biases", "out 1", "the new biases", many=True),
    ),
    _cases,
    _derive,
    (
        Mistake("η/m is missing its m", "divide by the number of examples: eta / len(mini_batch)",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta)),
        Mistake("the sign is reversed", "go downhill: w − η/m·Σ∇, with a minus",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, -eta / len(batch))),
        Mistake("η is missing", "the step is eta / len(mini_batch) times the sum",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, 1 / len(batch))),
        Mistake("η/m is missing", "the step is eta / len(mini_batch) times the sum",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, 1.0)),
        Mistake("the last example only", "add up in the loop: the sum grows with each example, and is not overwritten",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / len(batch), slice(-1, None))),
        Mistake("the first example only", "the return, or the step, stands in the loop: put it behind",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / len(batch), slice(0, 1))),
        Mistake("the weights change between the examples", "all examples of a mini-batch see the same weights: add "
                "their gradients up first, then take one step", _one_by_one),
        Mistake("η // m rounds down",
                "// drops what is behind the point, so the step is often 0: eta / len(mini_batch)",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta // len(batch))),
        Mistake("nothing has changed",
                "w = … inside a loop over the weights changes only the name w, and + joins two lists: "
                "build new lists, [w − η/m·Σ∇ for …]", lambda batch, eta, w, b, f: (w, b)),
        Mistake("the number of layers in place of m", "m is the number of examples: len(mini_batch)",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / len(w))),
        Mistake("10 in place of m", "a mini-batch need not have 10 examples: len(mini_batch)",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / 10)),
        Mistake("the step stands in the loop", "add up the gradients of all examples first; step once, after the loop",
                _step_in_the_loop),
        Mistake("backprop's two results are swapped", "it gives the biases' gradients first: "
                "nabla_b, nabla_w = backprop(…)", _swapped_gradients),
        Mistake("the mean is taken twice", "η/m divides by m already: add the gradients up, without a mean",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / len(batch) ** 2)),
        Mistake("weights and biases are swapped", "return weights, biases: the weights come first",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / len(batch))[::-1], whole=True),
        Mistake("the biases stay as they were", "the biases learn, too: b − η/m·Σ∂C/∂b",
                lambda batch, eta, w, b, f: (_stepped(batch, w, b, f, eta / len(batch))[0], b)),
        Mistake("the weights stay as they were", "the weights learn, too: w − η/m·Σ∂C/∂w",
                lambda batch, eta, w, b, f: (w, _stepped(batch, w, b, f, eta / len(batch))[1])),
        Mistake("the weights alone", "return both: return weights, biases",
                lambda batch, eta, w, b, f: _stepped(batch, w, b, f, eta / len(batch))[0]),
        Mistake("the gradients, not the new weights", "take the step: w − η/m·Σ∂C/∂w", _gradients),
    ),
)  # fmt: skip


def _methods(mine: ModuleType) -> Methods:
    def update(self: Any, batch: Any, eta: float) -> None:
        self.weights, self.biases = mine.update_mini_batch(batch, eta, self.weights, self.biases, gradients_of)

    return {"update_mini_batch": update}


EXERCISE = Exercise(
    name="update_mini_batch",
    order=70,
    title="one step of learning: w → w − η/m · Σ ∂C/∂w",
    task="One step of learning: add up the gradients of a mini-batch's examples, then move downhill by a little.",
    functions=(UPDATE,),
    hints=(
        "Begin with zeros shaped like weights and biases, add each example's gradients, and step once, at the end.",
        "nabla_b, nabla_w = backprop(x, y, weights, biases) for each (x, y); the lists are added layer by layer, "
        "with zip. The step's factor is eta / len(mini_batch).",
        "weights = [w - eta / len(mini_batch) * nabla for w, nabla in zip(weights, sum_w)], and so for the biases; "
        "then return weights, biases",
    ),
    source="Nielsen, Neural Networks and Deep Learning, ch. 1, eqs. (20) and (21); the article's last step",
    training=Training(
        "your update_mini_batch makes every step",
        methods=_methods,
    ),
)
