"""An adder by its sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kqv.data.sums import MOST_DIGITS
from kqv.errors import Error
from kqv.evaluation.sums import answer_logits, answers_of
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.adder.recipes import AdderRecipe
from kqv.systems.adder.trained import TOKENIZER, adder_recipe_of
from kqv.systems.gpt.sketch import resized, sizes_of
from kqv.systems.sketch import Sizes, differing, without_numbers
from kqv.systems.source import ModelSource
from kqv.trace.trace import Trace
from kqv.training.plans import Recipe


@dataclass(frozen=True)
class AdderSketch:
    """An adder of numbers of so many `digits` on `batch` sums; its context is as long as a sum."""

    title: str
    architecture: Architecture
    digits: int
    batch: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """As the protocol has it."""
        own = {name: size for name, size in sizes_of(self.architecture).items() if name != "context"}
        return {"batch": self.batch, "digits": self.digits} | own

    def changed(self, changes: Sizes) -> AdderSketch:
        """As the protocol has it."""
        found = differing(self, changes)
        digits = found.get("digits", self.digits)
        if digits > MOST_DIGITS:
            raise Error(f"an adder's numbers have at most {MOST_DIGITS} digits; got {digits}")
        architecture = replace(resized(self.architecture, found), context=3 * digits + 2, period=digits + 1)
        return replace(self, architecture=architecture, digits=digits, batch=found.get("batch", self.batch))

    def trace(self) -> Trace:
        """As the protocol has it: from the signs to the cost of the sum's digits."""
        with without_numbers():
            model = GPT(TOKENIZER.size, self.architecture)
            ids = torch.zeros(self.batch, 3 * self.digits + 3, dtype=torch.int64)
            read, answers = ids[:, :-1], answers_of(ids)
            with torch.no_grad(), Trace(model) as trace:
                logits = answer_logits(model, read)
                note("verdict", argmax(logits), "batch position")
                model.loss(logits, answers)
        return trace


def sketch_recipe(recipe: Recipe) -> AdderSketch:
    """The model of a recipe."""
    assert isinstance(recipe, AdderRecipe)
    return AdderSketch(recipe.name, recipe.model, recipe.data.digits)


def sketch_source(source: ModelSource) -> AdderSketch:
    """A trained model, from its description."""
    recipe = adder_recipe_of(source.require_run("only runs of kqv train adder add"))
    return AdderSketch(source.name, recipe.model, recipe.data.digits)
