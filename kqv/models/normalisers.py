"""Normalisers: scores become weights, by name. A new one is an operation, a line in this table, and its test.

A normaliser is called with scores `[..., query, key]`, −∞ where they are masked, and gives weights of the same shape,
zero where they are masked.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from kqv.models.choices import Choices
from kqv.operations import relu_weights, sigmoid_weights, softmax, softmax1

Normaliser = Callable[[Tensor], Tensor]

NORMALISERS: Choices[Normaliser] = Choices(
    "normaliser", {"softmax": softmax, "softmax1": softmax1, "sigmoid": sigmoid_weights, "relu": relu_weights}
)
"""Normalisers by name. softmax: the weights of a query are positive and sum to one (Vaswani et al. 2017, eq. (1));
softmax1: to less, where no key fits; sigmoid, relu: each weight for itself, over the number of keys that are seen."""
