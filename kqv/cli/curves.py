"""A run's learning curves as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kqv.training.run import Run


def plot_run(run: Run, path: Path) -> None:
    """One run's learning curves as a figure."""
    from rich.markup import escape

    from kqv.cli.console import notices
    from kqv.experiments.curves import curves_of
    from kqv.plots.curves import by_training, plot_curves

    training = curves_of(run, "")
    parts = [by_training("Cost: validation set, batches (dashed)", "cost", [training], ["validation_loss", "loss"])]
    if training.names("validation_accuracy"):
        parts += [by_training("Right of the validation set", "accuracy", [training], ["validation_accuracy"])]
    if training.names("validation_bleu"):
        parts += [by_training("Greedy translations of the validation set", "BLEU", [training], ["validation_bleu"])]
    plot_curves(f"{run.path.name}: {run.recipe.name}", parts, path)
    notices.print(f"figure written to [bold]{escape(str(path))}[/]")
