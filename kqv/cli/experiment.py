"""`kqv train digits --recipe EXPERIMENT`: train the experiment's variants one after another, and draw them together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kqv.cli.curves import curves_of
from kqv.cli.json_output import print_json
from kqv.cli.training import Shown, begun, checkpoint_seconds, require, trained, write_to_tensorboard
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.experiments.experiment import Experiment, Panel
    from kqv.plots.curves import Curves, Part
    from kqv.systems.changes import Changes
    from kqv.training.run import Run


def run_experiment(
    experiment: Experiment, changes: Changes, out: Path | None, from_run: str | None, minutes: float | None,
    shown: Shown,
) -> None:  # fmt: skip
    """Train an experiment's variants one after another, and report."""
    if from_run is not None or minutes is not None:
        raise Error(f"{experiment.name} is an experiment of several trainings; leave out --from and --minutes")
    require(shown)
    runs = _train_variants(experiment, changes, out, shown)
    number = "" if out is not None else f"-{runs[0].path.name.rpartition('-')[2]}"  # the first run's
    figure = shown.plot or runs[0].path.parent / f"{experiment.name}{number}.png"
    report(experiment, runs, figure, shown.as_json)


def _train_variants(experiment: Experiment, changes: Changes, out: Path | None, shown: Shown) -> list[Run]:
    from kqv.cli.preparing import TerminalWatcher
    from kqv.systems.system import Asked, system_named
    from kqv.training import devices
    from kqv.training.distributed import joined
    from kqv.training.run import Run, new_path

    system, every, runs = system_named("digits"), checkpoint_seconds(), []
    with joined(devices.choose_device(shown.device)) as group:
        if group.size > 1:
            raise Error("an experiment's small networks train in one process; start it without torchrun")
        if out is not None:  # all are looked at before the first is trained
            for variant in experiment.variants:
                Run(out / variant.recipe.name).require_free()
        for variant in experiment.variants:
            name = variant.recipe.name
            asked, path = Asked(variant.recipe, changes), out / name if out else new_path(f"{experiment.name}-{name}")
            with TerminalWatcher() as watcher:
                run, trainer, display = begun(system, asked, path, group, watcher, every)
            if shown.tensorboard:
                write_to_tensorboard(trainer)
            trained(system.name, run, trainer, display)
            runs.append(run)
    return runs


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
        print_json({"experiment": experiment.name, "variants": rows, "figure": str(figure)})
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
    console.print(f"figure written to [bold]{escape(str(figure))}[/]")
