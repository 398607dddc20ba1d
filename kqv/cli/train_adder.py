"""`kqv train adder`: a Transformer so small that all of its numbers fit on one page."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kqv.cli.options import Device, Json
from kqv.cli.train_options import (
    Batch,
    Dropout,
    Heads,
    LearningRate,
    Minutes,
    Optimizer,
    Out,
    Plot,
    Resume,
    Seed,
    Steps,
    TensorBoard,
    Width,
)  # fmt: skip
from kqv.cli.training import Shown, train_or_resume

Recipe = Annotated[
    str | None,
    typer.Option(help="How many digits the numbers have: adder-2 (default), adder-3, adder-10."),
]
Layers = Annotated[int | None, typer.Option(help="How many blocks.", min=1)]


def adder(
    recipe: Recipe = None, layers: Layers = None, heads: Heads = None, width: Width = None, dropout: Dropout = None,
    batch: Batch = None, learning_rate: LearningRate = None, optimizer: Optimizer = None, steps: Steps = None,
    minutes: Minutes = None, seed: Seed = None, out: Out = None, resume: Resume = None, device: Device = "auto",
    plot: Plot = None, tensorboard: TensorBoard = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Train a tiny Transformer to add two numbers, digit by digit; it makes its own sums. Ctrl-C saves it and says how
    to resume."""
    from kqv.systems.changes import Changes
    from kqv.systems.system import Asked

    sizes: dict[str, Any] = {
        "layers": layers, "heads": heads, "width": width, "dropout": dropout, "batch": batch,
        "learning_rate": learning_rate, "optimizer": optimizer,
    }  # fmt: skip
    changes = Changes(seed=seed, steps=steps, **sizes)
    fresh = (recipe, out, seed, *sizes.values())
    shown = Shown(device, plot, tensorboard, as_json)
    train_or_resume("adder", Asked(recipe, changes, minutes=minutes), resume, out, fresh, shown)
