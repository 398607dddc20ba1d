"""A small GPT over bytes, small tokenizers, and a predictor that says what it is told."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT

CONTEXT = 16


class Bytes:
    """Each byte is a token."""

    size = 256
    endings: frozenset[int] = frozenset()

    def decode_bytes(self, ids: npt.NDArray[Any]) -> bytes:
        return bytes(ids.tolist())


class Words:
    """Each token is one of the given pieces of bytes."""

    def __init__(self, *pieces: bytes, endings: frozenset[int] = frozenset()) -> None:
        self.pieces = pieces
        self.size = len(pieces)
        self.endings = endings

    def decode_bytes(self, ids: npt.NDArray[Any]) -> bytes:
        return b"".join(self.pieces[token] for token in ids.tolist())


def byte_gpt(dropout: float = 0.0, context: int = CONTEXT) -> GPT:
    """A GPT in float64 whose weights are large enough that its choices differ from position to position."""
    torch.manual_seed(1)
    model = GPT(256, Architecture(context, width=24, heads=3, blocks=2, dropout=dropout))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double()


class Scripted:
    """Says the tokens of a script, one after the other, whatever it reads; the same to every text."""

    context = CONTEXT

    def __init__(self, script: list[int], vocab: int) -> None:
        self.script, self.vocab = script, vocab
        self.read: list[Tensor] = []

    def prefill(self, ids: Tensor) -> Tensor:
        return self.advance(ids)

    def advance(self, ids: Tensor) -> Tensor:
        logits = torch.full((len(ids), self.vocab), -50.0)
        logits[:, self.script[len(self.read)]] = 50.0
        self.read.append(ids)
        return logits
