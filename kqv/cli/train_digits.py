"""`kqv train digits`: a digit recogniser from a recipe."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kqv.cli.options import Device, Json
from kqv.cli.train_options import (
    Batch,
    Dropout,
    From,
    LearningRate,
    Minutes,
    Optimizer,
    Out,
    Plot,
    Resume,
    Seed,
    Shard,
    Steps,
    TensorBoard,
)  # fmt: skip
from kqv.cli.training import Shown, train_or_resume
from kqv.data.sets import PICTURES, listed
from kqv.errors import Error

Data = Annotated[
    str | None,
    typer.Option(help=f"{listed(PICTURES)}, or a folder with a subfolder of pictures for each class."),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="What to train and how: digits (default), article, nielsen, digits-distorted, digits-best, convolutional."
    ),
]


Layers = Annotated[int | None, typer.Option(help="How many hidden layers.", min=0)]
Width = Annotated[int | None, typer.Option(help="How many neurons each hidden layer has.", min=1)]


def digits(
    data: Data = None, recipe: Recipe = None, layers: Layers = None, width: Width = None, dropout: Dropout = None,
    batch: Batch = None, learning_rate: LearningRate = None, optimizer: Optimizer = None, steps: Steps = None,
    minutes: Minutes = None, seed: Seed = None, out: Out = None, resume: Resume = None, from_run: From = None,
    device: Device = "auto", plot: Plot = None, tensorboard: TensorBoard = False, shard: Shard = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train a digit recogniser; without --data on the embedded 8×8 digits. Ctrl-C saves it and says how to resume."""
    from kqv.experiments.saved import SAVED
    from kqv.systems.changes import Changes
    from kqv.systems.digits.recipes import DIGITS_RECIPES
    from kqv.systems.system import Asked

    sizes: dict[str, Any] = {
        "layers": layers, "width": width, "dropout": dropout, "batch": batch, "learning_rate": learning_rate,
        "optimizer": optimizer,
    }  # fmt: skip
    changes = Changes(data=data, seed=seed, steps=steps, **sizes)
    shown = Shown(device, plot, tensorboard, as_json, shard)
    if recipe in SAVED:
        raise Error(f"{recipe} is a question that several trainings answer; ask it with: kqv compare {recipe}")
    if recipe is not None and recipe not in DIGITS_RECIPES:
        raise Error(f"there is no recipe {recipe!r} for digits; choose one of: {', '.join(DIGITS_RECIPES)}")
    fresh = (recipe, out, from_run, seed, *sizes.values())
    train_or_resume("digits", Asked(recipe, changes, from_run, minutes), resume, out, fresh, shown)
