"""One vector for a whole text, out of what an encoder made of its tokens, and how alike two such vectors are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kqv.operations import linear, matmul, rms_norm, scale
from kqv.recording import note, unseen

SMALLEST = 1e-24
"""Keeps the mean square of a vector of zeros above zero."""


def sentence_vectors(hidden: Tensor, present: Tensor | None = None) -> Tensor:
    """v = Σ_position hidden/positions: the mean over the tokens, `[batch, model]`, of `hidden[batch, position, model]`.

    `present[batch, position]`: false where a token does not count, as padding; a text of such alone gives zeros.
    Reimers, Gurevych 2019, Sentence-BERT, section 3: of three poolings the mean served best. A model that was trained
    with another one, such as [CLS] alone, gives other vectors where its authors compute them.
    """
    with unseen():
        counted = torch.ones(hidden.shape[:2], device=hidden.device) if present is None else present
        counted = counted.to(hidden.dtype)
        portions = counted / counted.sum(1, keepdim=True).clamp_min(1)
    mean = matmul(note("portions", portions, "batch position").view(len(hidden), 1, -1), hidden)
    return note("sentence_vector", mean.view(len(hidden), -1), "batch model")


def unit_vectors(vectors: Tensor) -> Tensor:
    """u = v/|v|, of length 1 in the same direction; `[batch, model]`. An RMS norm gives √model·u."""
    width = vectors.shape[-1]
    ones = torch.ones(width, dtype=vectors.dtype, device=vectors.device)
    normed = rms_norm(vectors, ones, epsilon=SMALLEST)
    return note("unit_vector", scale(normed, factor=1 / math.sqrt(width)), "batch model")


def similarities(a: Tensor, b: Tensor) -> Tensor:
    """cos(a, b) = a·b/(|a|·|b|) of each of `a[batch, model]` and each of `b[out, model]`; `[batch, out]`, −1 to 1."""
    return note("similarity", linear(unit_vectors(a), unit_vectors(b)), "batch out")
