"""Scales: what scores are multiplied by before the mask, by name. A new one is a class here and its test.

A scale is made for the `Heads` of its attention and the name of its score's usual scale. It is called with scores
`[..., query, key]` (dimensions `heads.pairs`). One with weights of its own is an `nn.Module`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kqv.models.choices import Choices
from kqv.models.heads import Heads
from kqv.operations import multiply, scale
from kqv.recording import note

Scale = Callable[[Tensor], Tensor]

SCALES: Choices[Callable[[Heads, str], Scale]] = Choices("scale")
"""Scales by name."""


@SCALES.add("sqrt")
class BySqrt:
    """1/√channels: keeps the size of dot products the same for any number of channels (Vaswani et al. 2017, 3.2.1)."""

    def __init__(self, heads: Heads, usual: str) -> None:
        self.factor = 1 / math.sqrt(heads.channels)

    def __call__(self, scores: Tensor) -> Tensor:
        return scale(scores, factor=self.factor)


@SCALES.add("none")
class Unscaled:
    """Scores as they are."""

    def __init__(self, heads: Heads, usual: str) -> None:
        """Nothing to prepare."""

    def __call__(self, scores: Tensor) -> Tensor:
        return scores


@SCALES.add("learned")
class Learned(nn.Module):
    """A factor for each head that is learned (Henry et al. 2020, Query-Key Normalization for Transformers: their g).

    It begins at the score's usual scale: 1/√channels or 1; for cosines, whose scale is usually learned, at √channels,
    so that they are as large as the scaled dot products of vectors whose numbers have size 1.
    """

    def __init__(self, heads: Heads, usual: str) -> None:
        super().__init__()
        self.heads = heads
        root = math.sqrt(heads.channels)
        self.first = {"sqrt": 1 / root, "learned": root}.get(usual, 1.0)
        self.factor = nn.Parameter(torch.empty(heads.count))
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """The factor that it begins with."""
        self.factor.fill_(self.first)

    def forward(self, scores: Tensor) -> Tensor:
        factor = note("factor", self.factor, "head")
        shape = (-1,) if self.heads.group == 1 else (self.heads.key_heads, self.heads.group)
        return multiply(scores, factor.view(*shape, 1, 1))


def start_scales(model: nn.Module) -> None:
    """Every learned scale of a model as it begins."""
    for module in model.modules():
        if isinstance(module, Learned):
            module.start()
