"""GPT as one of the systems."""

from __future__ import annotations

from pathlib import Path

from kqv.errors import Error
from kqv.systems.gpt.evaluated import evaluate
from kqv.systems.gpt.planned import plan, resumption
from kqv.systems.gpt.recipes import GPT_RECIPES, GPTRecipe
from kqv.systems.gpt.sketch import sketch_recipe, sketch_source
from kqv.systems.gpt.start import with_changes
from kqv.systems.gpt.traced import read, trace
from kqv.systems.gpt.trained import LoadedGPT, gpt_recipe_of, load_gpt_source
from kqv.systems.gpt.writing import write
from kqv.systems.system import System
from kqv.training.run import Run
from kqv.why.why import Why


def epoch(run: Run) -> float:
    """In so many steps as many tokens are seen as the training text has."""
    recipe = gpt_recipe_of(run)
    return run.config.data.train / (recipe.training.batch * recipe.model.context)


def next_steps(path: Path) -> dict[str, str]:
    """What can be done with a run, as commands by what they are for."""
    return {
        "let it write": f"kqv generate {path}", "test it": f"kqv evaluate {path}", "look inside": f"kqv trace {path}",
    }  # fmt: skip


def why(loaded: LoadedGPT, text: str, label: str | None) -> Why:
    """A GPT to be asked why, on a text. Raises `Error` for a label."""
    if label is not None:
        raise Error("--label is a sentence's translation; the model reads one text")
    return loaded.why(text)


SYSTEM = System(
    name="gpt", unit="tokens", recipe=GPTRecipe, recipes=GPT_RECIPES, changed=with_changes,
    plan=plan, resume=resumption,
    load=load_gpt_source, trace=trace, evaluate=evaluate, epoch=epoch, next_steps=next_steps, why=why, read=read,
    write=write, score=lambda recipe: "loss",
    sketch=sketch_source, sketch_recipe=sketch_recipe,
)  # fmt: skip
