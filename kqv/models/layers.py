"""The parts that models are built from; each reads top to bottom like its formula, with every shape noted."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.choices import Choices
from kqv.operations import draw_mask, dropout, embedding, layer_norm, linear, rms_norm
from kqv.recording import note


class Linear(nn.Module):
    """z = x Wᵀ + b, for weight `[out, in]` and bias `[out]`; `parts`: the outputs of several maps that are one product.

    The maps stay apart where a matrix is taken as a whole, as by Muon.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, parts: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.parts = parts
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        nn.init.normal_(self.weight, std=1 / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = note("weight", self.weight, "out in")
        bias = None if self.bias is None else note("bias", self.bias, "out")
        return linear(x, weight, bias)


class Embedding(nn.Module):
    """Row `id` of a table `[vocab, model]` for each id."""

    def __init__(self, rows: int, width: int, dimensions: str = "vocab model") -> None:
        super().__init__()
        self.dimensions = dimensions
        self.weight = nn.Parameter(torch.randn(rows, width) * 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        return embedding(note("weight", self.weight, self.dimensions), ids)


class LayerNorm(nn.Module):
    """γ·(x − μ)/√(σ² + ε) + β over the last axis."""

    def __init__(self, width: int, bias: bool = True, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        weight = note("weight", self.weight, "model")
        bias = None if self.bias is None else note("bias", self.bias, "model")
        return layer_norm(x, weight, bias, epsilon=self.epsilon)


class RMSNorm(nn.Module):
    """γ·x/√(mean(x²) + ε) over the last axis, whose name is `dimension`."""

    def __init__(self, size: int, epsilon: float = 1e-5, dimension: str = "model") -> None:
        super().__init__()
        self.epsilon, self.dimension = epsilon, dimension
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, note("weight", self.weight, self.dimension), epsilon=self.epsilon)


class NoNorm(nn.Module):
    """x itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x


Norm = LayerNorm | RMSNorm | NoNorm


def _rms(width: int, bias: bool, epsilon: float) -> Norm:
    return RMSNorm(width, epsilon)  # it never has a bias


def _none(width: int, bias: bool, epsilon: float) -> Norm:
    return NoNorm()


NORMS: Choices[Callable[[int, bool, float], Norm]] = Choices("norm", {"layer": LayerNorm, "rms": _rms, "none": _none})
"""Norms by name, each made of width, bias and epsilon."""


class Dropout(nn.Module):
    """In training each number is switched off with this probability, by a mask that is a tensor of its own.

    Srivastava et al. 2014. In evaluation, and with probability 0, x itself comes out. `dimensions` are x's.
    """

    def __init__(self, probability: float, dimensions: str = "batch position model") -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise Error(f"dropout is a fraction from 0 to below 1; got {probability}")
        self.probability = probability
        self.dimensions = dimensions

    @property
    def is_active(self) -> bool:
        """Whether anything is switched off now."""
        return self.training and self.probability > 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_active:
            return x
        mask = note("mask", draw_mask(x, self.probability), self.dimensions)
        return note("dropped", dropout(x, mask, probability=self.probability), self.dimensions)
