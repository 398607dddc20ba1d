"""`kqv train digits --recipe EXPERIMENT`: train the experiment's variants one after another, and draw them together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.experiments.experiment import Experiment, Panel
    from kqv.plots.curves import Curves, Part
    from kqv.training.run import Run


def parts_of(panels: tuple[Panel, ...], trainings: list[Curves]) -> list[Part]:
    """The figure's parts."""
    from kqv.plots.curves import by_measurement, by_training

    parts: list[Part] = []
    for panel in panels:
        if panel.each_variant:
            parts += [
                by_measurement(panel.title, panel.unit, training, panel.keys[0], panel.logarithmic)
                for training in trainings
            ]
        else:
            parts.append(by_training(panel.title, panel.unit, trainings, panel.keys))
    return parts


def curves_of(run: Run, label: str) -> Curves:
    """A run's measurements by epoch."""
    from kqv.plots.curves import Curves

    config = run.config
    recipe = config.recipe
    seen = min(recipe.training.batch, config.data.train)  # in a step: pictures, or the tokens of texts
    if recipe.system == "gpt":
        seen *= recipe.model.context
    steps = config.data.train / seen if recipe.system == "gpt" else -(-config.data.train // seen)
    return Curves(label, [{**line, "epoch": line["step"] / steps} for line in run.metrics()])


def plot_run(run: Run, path: Path) -> None:
    """One run's learning curves as a figure."""
    from rich.markup import escape

    from kqv.cli.console import notices
    from kqv.plots.curves import by_training, plot_curves

    training = curves_of(run, "")
    parts = [by_training("Cost: validation set, batches (dashed)", "cost", [training], ["validation_loss", "loss"])]
    if training.names("validation_accuracy"):
        parts += [by_training("Right of the validation set", "accuracy", [training], ["validation_accuracy"])]
    plot_curves(f"{run.path.name}: {run.recipe.name}", parts, path)
    notices.print(f"drawn in [bold]{escape(str(path))}[/]")


def report(experiment: Experiment, runs: list[Run], figure: Path, as_json: bool) -> None:
    """Draw the experiment's figure, and say how its variants ended."""
    from kqv.plots.curves import plot_curves

    labels = [variant.label for variant in experiment.variants]
    trainings = [curves_of(run, label) for run, label in zip(runs, labels, strict=True)]
    plot_curves(experiment.question, parts_of(experiment.panels, trainings), figure)
    rows = [
        {"variant": label, "run": str(run.path), **last_scores(run)} for label, run in zip(labels, runs, strict=True)
    ]
    if as_json:
        sys.stdout.write(json.dumps({"experiment": experiment.name, "variants": rows, "figure": str(figure)}) + "\n")
        return
    _print_table(experiment, rows, figure)


def last_scores(run: Run) -> dict[str, float]:
    """The last measured scores, and the best validation accuracy."""
    evaluated = [line for line in run.metrics() if "validation_accuracy" in line]
    if not evaluated:
        raise Error(f"{run.path} has no measurements; train it again")
    names = ("validation_accuracy", "validation_loss", "training_accuracy")
    scores = {name: evaluated[-1][name] for name in names if name in evaluated[-1]}
    return scores | {"best_validation_accuracy": max(line["validation_accuracy"] for line in evaluated)}


def _print_table(experiment: Experiment, rows: list[dict[str, Any]], figure: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    from kqv.cli.console import console

    table = Table(title=experiment.question, title_justify="left", title_style="bold", box=None, pad_edge=False)
    keys = {"validation_accuracy": "right at the end", "best_validation_accuracy": "at best"}
    if any("training_accuracy" in row for row in rows):
        keys["training_accuracy"] = "of the training pictures"
    for heading in ("", *keys.values(), "cost"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    table.add_column("run", overflow="fold")
    for row in rows:
        percent = [row.get(key) for key in keys]
        cells = ["" if share is None else f"{100 * share:.1f} %" for share in percent]
        table.add_row(escape(row["variant"]), *cells, f"{row['validation_loss']:.3f}", f"[dim]{escape(row['run'])}[/]")
    console.print(table)
    console.print(f"\n{escape(experiment.answer)}")
    console.print(f"drawn in [bold]{escape(str(figure))}[/]")
