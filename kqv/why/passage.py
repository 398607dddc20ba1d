"""A model and a text that it reads: what a system has to say so that its models can be asked why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from kqv.trace.trace import POSITIONS, Trace


class Vocabulary(Protocol):
    """The tokens that a model's logits are of."""

    @property
    def size(self) -> int: ...

    def token_text(self, token: int) -> str: ...


@dataclass(frozen=True, eq=False)
class Passage:
    """One pass of a model: `model(*inputs)`, of one text or a pair.

    `words(path, dimension)`: the tokens that stand at the positions of a dimension, in the module at a path.
    `vocabulary`: that of the logits; None where the model predicts nothing. `another(text)`: the same model on another
    text.
    """

    model: nn.Module
    inputs: tuple[Tensor, ...]
    words: Callable[[str, str], Sequence[str]]
    vocabulary: Vocabulary | None
    another: Callable[[str], Passage]

    def traced(self) -> Trace:
        """A trace of the forward pass, with words at the positions."""
        with torch.no_grad(), Trace(self.model) as trace:
            self.model(*self.inputs)
        for record in trace.tensors:
            for dimension, size in zip(record.dimensions, record.sizes, strict=False):
                labels = self.words(record.path, dimension) if dimension in POSITIONS else ()
                if len(labels) == size:
                    trace.annotate(record.name, dimension=dimension, labels=labels)
        return trace
