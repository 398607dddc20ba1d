"""Translation as one of the systems."""

from __future__ import annotations

from pathlib import Path

from kqv.systems.system import System
from kqv.systems.translation.evaluated import evaluate
from kqv.systems.translation.planned import plan, resumption
from kqv.systems.translation.recipes import TRANSLATION_RECIPES, TranslationRecipe
from kqv.systems.translation.sketch import sketch_recipe, sketch_source
from kqv.systems.translation.start import with_changes
from kqv.systems.translation.traced import read, trace
from kqv.systems.translation.trained import LoadedTranslator, load
from kqv.systems.translation.writing import write
from kqv.training.plans import Recipe
from kqv.training.run import Run
from kqv.why.why import Why


def epoch(run: Run) -> float:
    """So many steps see each pair once."""
    return float(run.config.data.batches)


def next_steps(path: Path) -> dict[str, str]:
    """What can be done with a run, as commands by what they are for."""
    return {
        "translate": f"kqv translate {path}", "test it": f"kqv evaluate {path}", "look inside": f"kqv trace {path}",
    }  # fmt: skip


def why(loaded: LoadedTranslator, text: str, label: str | None) -> Why:
    """A translator to be asked why, on a sentence and a translation of it, by default its own."""
    return loaded.why(text, label)


def score(recipe: Recipe) -> str:
    """What the recipe chooses by; else BLEU, or where a sentence has one right translation, how many are found."""
    if recipe.training.best_by is not None:
        return recipe.training.best_by
    return "exact_match" if recipe.data.name == "numbers-dates" else "bleu"


SYSTEM = System(
    name="translate", unit="tokens", recipe=TranslationRecipe, recipes=TRANSLATION_RECIPES, changed=with_changes,
    plan=plan,
    resume=resumption, load=load, trace=trace, evaluate=evaluate, epoch=epoch, next_steps=next_steps, score=score,
    searches=True, joins=True, why=why, read=read, write=write,
    sketch=sketch_source, sketch_recipe=sketch_recipe,
)  # fmt: skip
