"""The adder as one of the systems."""

from __future__ import annotations

from pathlib import Path

from kqv.systems.adder.evaluated import evaluate
from kqv.systems.adder.recipes import ADDER_RECIPES, AdderRecipe
from kqv.systems.adder.sketch import sketch_recipe, sketch_source
from kqv.systems.adder.start import plan, resumption, with_changes
from kqv.systems.adder.task import trained_pairs
from kqv.systems.adder.traced import read, trace
from kqv.systems.adder.trained import adder_recipe_of, load
from kqv.systems.adder.writing import write
from kqv.systems.system import System
from kqv.training.run import Run


def epoch(run: Run) -> float:
    """In so many steps as many sums are seen as there are to train on."""
    recipe = adder_recipe_of(run)
    return trained_pairs(recipe.data.digits) / recipe.training.batch


def next_steps(path: Path) -> dict[str, str]:
    """What can be done with a run, as commands by what they are for."""
    return {
        "let it add": f"kqv add {path} 12 34", "test it": f"kqv evaluate {path}",
        "see every number": f"kqv trace {path} 12+34 --html page.html",
    }  # fmt: skip


SYSTEM = System(
    name="adder", unit="sums", recipe=AdderRecipe, recipes=ADDER_RECIPES, changed=with_changes,
    plan=plan, resume=resumption,
    load=load, trace=trace, evaluate=evaluate, epoch=epoch, next_steps=next_steps,
    read=read, write=write, score=lambda recipe: "exact_match",
    sketch=sketch_source, sketch_recipe=sketch_recipe,
)  # fmt: skip
