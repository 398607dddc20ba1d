"""A digit recogniser by its sizes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kqv.operations import argmax
from kqv.recording import note
from kqv.systems.digits.classes import classes_of
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.systems.digits.trained import digits_recipe_of, make_network
from kqv.systems.sketch import Sizes, differing, without_numbers
from kqv.systems.source import ModelSource
from kqv.trace.trace import Trace
from kqv.training.plans import Recipe

PICTURES = {"digits8x8": (8, 8)}
"""The sizes of pictures that are not MNIST's."""

MNIST = (28, 28)


@dataclass(frozen=True)
class DigitsSketch:
    """A recogniser of so many classes on `batch` pictures of `rows`×`columns` pixels."""

    title: str
    recipe: DigitsRecipe
    rows: int
    columns: int
    classes: int = 10
    batch: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """As the protocol has it; `layer_2` is the number of neurons in the second layer."""
        plan = self.recipe.model
        maps = plan.maps if plan.kind == "convolutional" else ()
        found = {"batch": self.batch, "row": self.rows, "column": self.columns}
        found |= {f"maps_{number}": count for number, count in enumerate(maps, 1)}
        found |= {f"layer_{number}": count for number, count in enumerate(plan.hidden, len(maps) + 2)}
        return found | {"class": self.classes}

    def changed(self, changes: Sizes) -> DigitsSketch:
        """As the protocol has it."""
        sizes = self.sizes | differing(self, changes)
        lists = {"hidden": tuple(size for name, size in sizes.items() if name.startswith("layer_"))}
        if self.recipe.model.kind == "convolutional":
            lists["maps"] = tuple(size for name, size in sizes.items() if name.startswith("maps_"))
        recipe = self.recipe.model_copy(update={"model": self.recipe.model.model_copy(update=lists)})
        return replace(
            self, recipe=recipe, rows=sizes["row"], columns=sizes["column"], classes=sizes["class"],
            batch=sizes["batch"],
        )  # fmt: skip

    def trace(self) -> Trace:
        """As the protocol has it: from the pictures' bytes to the cost."""
        names = tuple(str(number) for number in range(self.classes))
        with without_numbers():
            model = make_network(self.recipe, (self.rows, self.columns), names)
            pictures = torch.zeros(self.batch, self.rows, self.columns, dtype=torch.uint8)
            labels = torch.zeros(self.batch, dtype=torch.int64)
            with torch.no_grad(), Trace(model) as trace:
                outputs = model(model.vector(pictures))
                model.probabilities(outputs)
                note("verdict", argmax(outputs), "batch")
                model.loss(outputs, labels)
        return trace


def sketch_recipe(recipe: Recipe) -> DigitsSketch:
    """The model of a recipe."""
    assert isinstance(recipe, DigitsRecipe)
    rows, columns = PICTURES.get(recipe.data.name, MNIST)
    return DigitsSketch(recipe.name, recipe, rows, columns)


def sketch_source(source: ModelSource) -> DigitsSketch:
    """A trained model, from its description."""
    run = source.require_run("only runs know digits")
    classes = classes_of(run)
    return DigitsSketch(
        source.name, digits_recipe_of(run), classes["rows"], classes["columns"], len(classes["classes"])
    )
