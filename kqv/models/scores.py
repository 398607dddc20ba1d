"""Scores: how well a query and a key fit, by name. A new one is a class here (or in a file of its own) and its test.

A score is made for the `Heads` of its attention. It is called with queries `[..., query, channel]` and keys
`[..., key, channel]`, whose leading axes are alike or repeated, and gives `[..., query, key]` (dimensions
`heads.pairs`). It is made of operations, so that its gradient and its arithmetic are known. One with weights of its own
is an `nn.Module`, and its tensors are named under `attention.score`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from kqv.models.choices import Choices
from kqv.models.heads import Heads
from kqv.operations import matmul, scale
from kqv.recording import note


class Score(Protocol):
    """How well each query fits each key: the larger, the more of the key's value the query gets."""

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor: ...


SCORES: Choices[Callable[[Heads], Score]] = Choices("score")
"""Scores by name."""


@SCORES.add("dot")
class Dot:
    """q·k/√channels (Vaswani et al. 2017, Attention Is All You Need, eq. (1)).

    The factor keeps the scores' size the same for any number of channels (section 3.2.1).
    """

    def __init__(self, heads: Heads) -> None:
        self.dimensions = heads.pairs
        self.factor = 1 / math.sqrt(heads.channels)

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        products = note("products", matmul(queries, keys.mT), self.dimensions)
        return scale(products, factor=self.factor)
