"""Inputs that exercises are tried with: small networks with weights that are easy to read, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from kqv.workshop.exercise import Case, Matrix


def numbers(seed: int, *shape: int) -> Matrix:
    """Normal numbers with two digits behind the point, so that they are easy to follow by hand."""
    return np.round(np.random.default_rng(seed).normal(size=shape), 2) + 0.0  # −0 becomes 0


def between(seed: int, *shape: int) -> Matrix:
    """Numbers between 0.05 and 0.95, as activations have them."""
    return np.round(np.random.default_rng(seed).uniform(0.05, 0.95, size=shape), 2)


def one_hot(classes: int, label: int) -> Matrix:
    """The wanted output: 1 for the right class, 0 for all others, a column."""
    y = np.zeros((classes, 1))
    y[label] = 1.0
    return y


def network(seed: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Weights `[out, in]` and biases `[out, 1]` of a network with layers of these sizes."""
    pairs = list(pairwise(sizes))
    return {
        "weights": [numbers(seed + position, outputs, inputs) for position, (inputs, outputs) in enumerate(pairs)],
        "biases": [numbers(seed + 50 + position, outputs, 1) for position, (_, outputs) in enumerate(pairs)],
    }


SIZES = ([4, 3, 2], [5, 4, 3, 2], [3, 3, 3, 3])
"""Networks for the tries: readable, deeper, and with square weights, where a wrong .T has the right shape."""


def titled(sizes: Sequence[int]) -> str:
    """What a try says of its network."""
    return f"a network {list(sizes)}"


def columns(seeds: Sequence[int], *names: str, size: int = 4) -> list[Case]:
    """Tries whose inputs are all columns of `size` numbers."""
    return [
        Case(
            f"columns of {size + position} numbers",
            {name: numbers(seed + 10 * at, size + position, 1) for at, name in enumerate(names)},
        )
        for position, seed in enumerate(seeds)
    ]
