"""How weights start: by name, each a function of one weight matrix `[out, in]`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Initialisation = Literal["standard-normal", "scaled-normal", "he-normal", "glorot-normal", "zeros"]


def standard_normal(weight: Tensor) -> None:
    """N(0, 1), as the textbook's first network (Nielsen ch. 1)."""
    torch.nn.init.normal_(weight, std=1.0)


def scaled_normal(weight: Tensor) -> None:
    """N(0, 1/in): sums of many inputs stay of size one (Nielsen ch. 3, weight initialization)."""
    torch.nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]))


def he_normal(weight: Tensor) -> None:
    """N(0, 2/in): the same for ReLU, which stops half of its inputs (He et al. 2015, Delving Deep, eq. (10))."""
    torch.nn.init.normal_(weight, std=math.sqrt(2 / weight.shape[1]))


def glorot_normal(weight: Tensor) -> None:
    """N(0, 2/(in + out)): between what suits the way forward and the way back (Glorot, Bengio 2010, eq. (12))."""
    torch.nn.init.normal_(weight, std=math.sqrt(2 / sum(weight.shape)))


def zeros(weight: Tensor) -> None:
    """All 0, so that all neurons of a layer stay alike: what randomness is for."""
    torch.nn.init.zeros_(weight)


INITIALISATIONS: dict[str, Callable[[Tensor], None]] = {
    "standard-normal": standard_normal,
    "scaled-normal": scaled_normal,
    "he-normal": he_normal,
    "glorot-normal": glorot_normal,
    "zeros": zeros,
}
"""Initialisations by name."""
