"""An encoder by its sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kqv.interchange import bert
from kqv.models.architecture import Architecture
from kqv.models.bert import BERT
from kqv.models.sentence_vectors import sentence_vectors
from kqv.systems.gpt.sketch import resized, sizes_of
from kqv.systems.sketch import Sizes, differing, without_numbers
from kqv.systems.source import ModelSource
from kqv.trace.trace import Trace


@dataclass(frozen=True)
class EncoderSketch:
    """An encoder on `batch` texts of `positions` tokens each (None: as many as it can read)."""

    title: str
    architecture: Architecture
    vocab: int
    types: int = 2
    batch: int = 1
    positions: int | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """As the protocol has it."""
        positions = self.architecture.context if self.positions is None else self.positions
        texts = {"batch": self.batch, "position": positions}
        return texts | sizes_of(self.architecture) | {"vocab": self.vocab, "type": self.types}

    def changed(self, changes: Sizes) -> EncoderSketch:
        """As the protocol has it."""
        found = differing(self, changes)
        return replace(
            self, architecture=resized(self.architecture, found), vocab=found.get("vocab", self.vocab),
            types=found.get("type", self.types), batch=found.get("batch", self.batch),
            positions=found.get("position", self.positions),
        )  # fmt: skip

    def trace(self) -> Trace:
        """As the protocol has it: from the ids to the sentence vector."""
        with without_numbers():
            model = BERT(self.vocab, self.architecture, self.types)
            ids = torch.zeros(self.batch, self.sizes["position"], dtype=torch.int64)
            types = torch.zeros_like(ids)
            with torch.no_grad(), Trace(model) as trace:
                sentence_vectors(model(ids, types))
        return trace


def sketch_source(source: ModelSource) -> EncoderSketch:
    """A trained model, from its description: no weights are read."""
    vocab, types, architecture = bert.outline(source.path)
    return EncoderSketch(source.name, architecture, vocab, types)
