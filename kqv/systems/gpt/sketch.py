"""A GPT by its sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from kqv.interchange import gguf, hugging_face
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.gpt.recipes import GPTRecipe
from kqv.systems.gpt.trained import gpt_recipe_of, tokenizer_of
from kqv.systems.sketch import Sizes, differing, without_numbers
from kqv.systems.source import ModelSource
from kqv.trace.trace import Trace
from kqv.training.plans import Recipe

USUAL_VOCAB = {"auto": 65, "characters": 65, "bytes": 256, "bpe": 4096, "gpt2": 50_257}
"""Of a recipe whose vocabulary the text decides: tiny Shakespeare has 65 characters."""

FIELDS = {
    "model": "width", "head": "heads", "key_head": "key_heads", "channel": "channels", "hidden": "hidden",
    "blocks": "blocks", "context": "context",
}  # fmt: skip
FOLLOW = {"width": ("hidden", "channels"), "heads": ("key_heads", "channels")}


def sizes_of(architecture: Architecture) -> dict[str, int]:
    """An architecture's sizes by the names of their dimensions."""
    found = architecture.resolved()
    return {name: getattr(found, field) for name, field in FIELDS.items()}


def resized(architecture: Architecture, changes: Sizes) -> Architecture:
    """An architecture with other sizes; what follows from width or heads does so again where these change."""
    fields = {FIELDS[name]: size for name, size in changes.items() if name in FIELDS}
    follow = {name: None for field in fields if field in FOLLOW for name in FOLLOW[field]}
    chosen: dict[str, Any] = follow | fields
    return replace(architecture, **chosen)


@dataclass(frozen=True)
class GPTSketch:
    """A GPT on `batch` texts of `positions` tokens each (None: as many as it can read)."""

    title: str
    architecture: Architecture
    vocab: int
    batch: int = 1
    positions: int | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """As the protocol has it."""
        positions = self.architecture.context if self.positions is None else self.positions
        texts = {"batch": self.batch, "position": positions}
        return texts | sizes_of(self.architecture) | {"vocab": self.vocab}

    def changed(self, changes: Sizes) -> GPTSketch:
        """As the protocol has it."""
        found = differing(self, changes)
        return replace(
            self, architecture=resized(self.architecture, found), vocab=found.get("vocab", self.vocab),
            batch=found.get("batch", self.batch), positions=found.get("position", self.positions),
        )  # fmt: skip

    def trace(self) -> Trace:
        """As the protocol has it: from the ids to the cost."""
        with without_numbers():
            model = GPT(self.vocab, self.architecture)
            ids = torch.zeros(self.batch, self.sizes["position"], dtype=torch.int64)
            targets = torch.zeros_like(ids)
            with torch.no_grad(), Trace(model) as trace:
                logits = model(ids)
                note("verdict", argmax(logits), "batch position")
                model.loss(logits, targets)
        return trace


def sketch_recipe(recipe: Recipe) -> GPTSketch:
    """The model of a recipe; where the text decides on the vocabulary, with a usual one."""
    assert isinstance(recipe, GPTRecipe)
    return GPTSketch(recipe.name, recipe.model, recipe.data.vocab or USUAL_VOCAB[recipe.data.tokenizer])


def sketch_source(source: ModelSource) -> GPTSketch:
    """A trained model, from its description: no weights are read."""
    if source.run is not None:
        return GPTSketch(source.name, gpt_recipe_of(source.run).model, tokenizer_of(source.run).size)
    vocab, architecture = gguf.outline(source.path) if source.is_gguf else hugging_face.outline(source.path)
    return GPTSketch(source.name, architecture, vocab)
