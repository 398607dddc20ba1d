"""A translator by its sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from kqv.data.parallel.sentences import SPECIAL, USUAL_SIZE
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.sketch import Sizes, differing, without_numbers
from kqv.systems.source import ModelSource
from kqv.systems.translation.recipes import TranslationRecipe
from kqv.systems.translation.trained import translation_recipe_of
from kqv.systems.translation.vocabularies import vocabularies_of
from kqv.trace.trace import Trace
from kqv.training.plans import Recipe

USUAL_VOCAB = {"characters": 65, "bytes": 256 + len(SPECIAL), "bpe": USUAL_SIZE}
"""Of a recipe whose vocabulary the sentences decide."""

FIELDS = {
    "model": "width", "head": "heads", "hidden": "hidden", "encoder_blocks": "encoder_blocks",
    "decoder_blocks": "decoder_blocks", "context": "context",
}  # fmt: skip


@dataclass(frozen=True)
class TransformerSketch:
    """A translator on `batch` pairs, of `source` and `positions` tokens each (None: as many as it can read).

    `source_vocab`: where source and target have vocabularies of their own.
    """

    title: str
    architecture: TranslatorArchitecture
    vocab: int
    source_vocab: int | None = None
    batch: int = 1
    source: int | None = None
    positions: int | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """As the protocol has it."""
        chosen = self.architecture
        own = {name: getattr(chosen, field) for name, field in FIELDS.items()}
        own["hidden"] = chosen.hidden or FEED_FORWARD[chosen.feed_forward].hidden(chosen.width)
        texts = {
            "batch": self.batch, "source": self.source or chosen.context, "position": self.positions or chosen.context,
        }  # fmt: skip
        two = {} if self.source_vocab is None else {"source_vocab": self.source_vocab}
        return texts | own | {"vocab": self.vocab} | two

    def changed(self, changes: Sizes) -> TransformerSketch:
        """As the protocol has it."""
        found = differing(self, changes)
        fields: dict[str, Any] = {FIELDS[name]: size for name, size in found.items() if name in FIELDS}
        if "width" in fields:
            fields.setdefault("hidden", None)
        return replace(
            self, architecture=replace(self.architecture, **fields), vocab=found.get("vocab", self.vocab),
            source_vocab=found.get("source_vocab", self.source_vocab), batch=found.get("batch", self.batch),
            source=found.get("source", self.source), positions=found.get("position", self.positions),
        )  # fmt: skip

    def trace(self) -> Trace:
        """As the protocol has it: from the ids of both sentences to the cost."""
        sizes = self.sizes
        with without_numbers():
            model = Transformer(self.vocab, self.source_vocab, self.architecture)
            source = torch.zeros(self.batch, sizes["source"], dtype=torch.int64)
            given = torch.zeros(self.batch, sizes["position"], dtype=torch.int64)
            targets = torch.zeros_like(given)
            with torch.no_grad(), Trace(model) as trace:
                logits = model(source, given)
                note("verdict", argmax(logits), "batch position")
                model.loss(logits, targets)
        return trace


def sketch_recipe(recipe: Recipe) -> TransformerSketch:
    """The model of a recipe; where the sentences decide on the vocabulary, with a usual one."""
    assert isinstance(recipe, TranslationRecipe)
    vocab = recipe.data.vocab or USUAL_VOCAB[recipe.data.tokenizer]
    return TransformerSketch(recipe.name, recipe.model, vocab, None if recipe.data.joint else vocab)


def sketch_source(source: ModelSource) -> TransformerSketch:
    """A trained model, from its description."""
    run = source.require_run("only runs translate")
    vocabularies = vocabularies_of(run)
    read = None if vocabularies.joint else vocabularies.source.size
    return TransformerSketch(source.name, translation_recipe_of(run).model, vocabularies.target.size, read)
