"""Normalisers: scores become weights, by name. A new one is an operation, a line in this table, and its test.

A normaliser is called with scores `[..., query, key]`, −∞ where they are masked, and gives weights of the same shape,
zero where they are masked.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from kqv.models.choices import Choices
from kqv.operations import softmax

Normaliser = Callable[[Tensor], Tensor]

NORMALISERS: Choices[Normaliser] = Choices("normaliser", {"softmax": softmax})
"""Normalisers by name; softmax: the weights of a query are positive and sum to one (Vaswani et al. 2017, eq. (1))."""
