"""Small runs of texts for tests of the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from kqv.data.text.corpora import load_text
from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

TEXT = "".join(f"{number} mal {number} ist {number * number}: schön!\n" for number in range(300))
CONTEXT = 16


def make_run(path: Path, text: str = TEXT, blocks: int = 1, **data: Any) -> Run:
    """A run of a few steps on a text, which is written beside it."""
    file = path.with_suffix(".txt")
    file.write_text(text, encoding="utf-8")
    recipe = GPTRecipe(
        name="gpt", model=Architecture(blocks=blocks, heads=2, width=16, context=CONTEXT),
        data=TextPlan(name=str(file.resolve()), **data), training=TrainingPlan(learning_rate=1e-2, batch=8, steps=5),
    )  # fmt: skip
    run, trainer = start(recipe, load_text(file), path, torch.device("cpu"))
    trainer.train()
    return run
