"""The digit recogniser as one of the systems."""

from __future__ import annotations

import math
from pathlib import Path

from kqv.models.recogniser import Recogniser
from kqv.systems.digits.evaluated import evaluate
from kqv.systems.digits.recipes import DIGITS_RECIPES, DigitsRecipe
from kqv.systems.digits.sketch import sketch_recipe, sketch_source
from kqv.systems.digits.start import plan, resumption, with_changes
from kqv.systems.digits.traced import trace
from kqv.systems.digits.trained import load_network
from kqv.systems.source import ModelSource
from kqv.systems.system import System
from kqv.training.run import Run


def load(source: ModelSource, best: bool) -> Recogniser:
    """The network of a run."""
    return load_network(source.require_run("only runs know digits"), best)


def epoch(run: Run) -> float:
    """So many steps see each picture once."""
    pictures = run.config.data.train
    return math.ceil(pictures / min(run.recipe.training.batch, pictures))


def next_steps(path: Path) -> dict[str, str]:
    """What can be done with a run, as commands by what they are for."""
    return {"test it": f"kqv evaluate {path}", "look inside": f"kqv trace {path}"}


SYSTEM = System(
    name="digits", unit="pictures", recipe=DigitsRecipe, recipes=DIGITS_RECIPES, changed=with_changes,
    plan=plan, resume=resumption,
    load=load, trace=trace, evaluate=evaluate, epoch=epoch, next_steps=next_steps, score=lambda recipe: "accuracy",
    sketch=sketch_source, sketch_recipe=sketch_recipe,
)  # fmt: skip
