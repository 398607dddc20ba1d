"""Which exercises there are, in the article's order; light, so that a list of them costs nothing."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, cast

from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.workshop.exercise import Exercise

TITLES = {
    "sigmoid": "the soft step σ(z), and its slope σ′(z)",
    "feedforward": "from the picture to the answer: a = σ(w·a + b), layer after layer",
    "cost_derivative": "how the cost changes with the output: ∂C/∂a",
    "output_error": "the error of the last layer: δᴸ = ∂C/∂a ⊙ σ′(zᴸ)",
    "backpropagated_error": "the error one layer back: δˡ = (wˡ⁺¹)ᵀ δˡ⁺¹ ⊙ σ′(zˡ)",
    "backprop": "the gradient of every weight and bias, in one pass back",
    "update_mini_batch": "one step of learning: w → w − η/m · Σ ∂C/∂w",
    "gradient_check": "gradients without calculus, to check the others with",
    "softmax": "numbers become shares of one whole; forward and backward",
    "cross_entropy": "how surprised the network is, from logits; forward and backward",
}
"""Each exercise's name with what it is about."""

NAMES = tuple(TITLES)


def require(name: str) -> str:
    """The name of an exercise as it is; `Error` that lists what there is for any other."""
    plain = name.strip().removesuffix(".py")
    if plain in TITLES:
        return plain
    near = get_close_matches(plain, NAMES, 1, 0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    raise Error(f"there is no exercise {name!r}; {meant}there are: {', '.join(NAMES)}")


def exercise(name: str) -> Exercise:
    """The exercise of this name. Raises `Error` for an unknown one."""
    module = import_module(f"kqv.workshop.exercises.{require(name)}")
    return cast("Exercise", module.EXERCISE)
