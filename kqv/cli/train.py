"""`kqv train`: train a system from a recipe, watch it, stop it and go on."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kqv.cli.failures import INTERRUPTED, SIGNALLED, CommandError, explained
from kqv.cli.options import Device, Json
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.cli.progress import TrainingDisplay
    from kqv.data.digits import DigitData
    from kqv.experiments.experiment import Experiment
    from kqv.training.distributed import Group
    from kqv.training.loop import Result, Trainer
    from kqv.training.recipes import DigitsRecipe
    from kqv.training.run import Run

app = typer.Typer(help="Train a system: digits.", no_args_is_help=True)

Data = Annotated[
    str | None,
    typer.Option(help="digits8x8 (embedded), mnist, or a folder with a folder of pictures for each class."),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="What to train and how: digits (default), article, nielsen, digits-distorted, digits-best, "
        "convolutional. Or an "
        "experiment, several trainings and one figure: slow-learning, overfitting, vanishing-gradients."
    ),
]
Out = Annotated[Path | None, typer.Option(help="The run's directory; without one, a new one in runs/.", metavar="DIR")]
Resume = Annotated[
    str | None,
    typer.Option(help="Go on with this run where it stopped; with more --steps also if finished.", metavar="RUN"),
]
From = Annotated[
    str | None, typer.Option("--from", help="Start from this run's weights, with its recipe.", metavar="RUN")
]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, order and chance.", min=0)]
Steps = Annotated[
    int | None, typer.Option(help="How many steps in all; the learning rate's schedule spans them.", min=1)
]


def _a_time(minutes: float | None) -> float | None:
    if minutes is not None and not 0 < minutes < math.inf:  # a range of typer's lets through what is no number
        raise typer.BadParameter("give a number above 0")
    return minutes


Minutes = Annotated[
    float | None, typer.Option(help="How many minutes; sets the steps by the measured speed.", callback=_a_time)
]
Plot = Annotated[
    Path | None, typer.Option(help="Draw the learning curves into this file: .png, .svg or .pdf.", metavar="FILE")
]


@app.command("digits", epilog="Example: kqv train digits --data mnist --out runs/mine")
def digits(
    data: Data = None, recipe: Recipe = None, out: Out = None, resume: Resume = None, from_run: From = None,
    seed: Seed = None, steps: Steps = None, minutes: Minutes = None, device: Device = "auto", plot: Plot = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train a digit recogniser; without --data on the embedded 8×8 digits. Ctrl-C saves it and says how to go on."""
    if resume is not None and any(option is not None for option in (recipe, out, from_run, seed, minutes)):
        raise Error("--resume goes on with a run as it was begun; only --steps, --data, --device and --json go with it")
    if steps is not None and minutes is not None:
        raise Error("--steps and --minutes both say how long to train; give one of them")
    every = _checkpoint_seconds()

    from kqv.cli.experiment import plot_run, report
    from kqv.experiments.digits import DIGITS_EXPERIMENTS
    from kqv.plots.figures import check_ending
    from kqv.training import devices
    from kqv.training.distributed import joined
    from kqv.training.run import Run

    if plot is not None:
        check_ending(plot)
    if recipe in DIGITS_EXPERIMENTS:
        if from_run is not None or minutes is not None:
            raise Error(f"{recipe} is an experiment of several trainings; leave out --from and --minutes")
        experiment = DIGITS_EXPERIMENTS[recipe]()
        runs = _train_variants(experiment, data, out, seed, steps, device, every)
        report(experiment, runs, plot or runs[0].path.parent / f"{recipe}.png", as_json)
        return
    old = None if resume is None else Run.find(resume)
    chosen = devices.device_of(old) if old is not None and device == "auto" else devices.choose_device(device)
    with joined(chosen) as group:
        if old is not None:
            run, result = old, _go_on(old, group, steps, data, every)
        else:
            run, result = _start(group, data, recipe, out, from_run, seed, steps, minutes, every)
    if group.is_first:
        if plot is not None:
            plot_run(run, plot)
        _finish(run, result, as_json)


def _train_variants(
    experiment: Experiment, data: str | None, out: Path | None, seed: int | None, steps: int | None, device: str,
    every: float,
) -> list[Run]:  # fmt: skip
    """Train an experiment's variants one after another."""
    from kqv.training import devices
    from kqv.training import digits as system
    from kqv.training.distributed import joined
    from kqv.training.run import new_path

    runs = []
    with joined(devices.choose_device(device)) as group:
        if group.size > 1:
            raise Error("an experiment's small networks train in one process; start it without torchrun")
        for variant in experiment.variants:
            plan = system.changed(variant.recipe, data=None if data is None else _place(data), seed=seed, steps=steps)
            pictures = _load(plan.data.name, group)
            place = new_path(f"{experiment.name}-{plan.name}") if out is None else out / plan.name
            runs.append(_train_new(group, plan, pictures, place, None, None, every)[0])
    return runs


def _checkpoint_seconds() -> float:
    """How often a run's state is saved: the environment variable KQV_CHECKPOINT_SECONDS, or the usual time."""
    text = os.environ.get("KQV_CHECKPOINT_SECONDS", "20")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise Error(f"KQV_CHECKPOINT_SECONDS needs a number of seconds from 0 up, got {text!r}")
    return seconds


def _start(
    group: Group, data: str | None, recipe: str | None, out: Path | None, from_run: str | None,
    seed: int | None, steps: int | None, minutes: float | None, every: float,
) -> tuple[Run, Result]:  # fmt: skip
    """Train a new run from the command line's words."""
    from kqv.experiments.digits import DIGITS_EXPERIMENTS
    from kqv.training import digits as system
    from kqv.training.recipes import DIGITS_RECIPES, digits_recipe
    from kqv.training.run import Run, new_path

    if recipe is not None and recipe not in DIGITS_RECIPES:
        names = ", ".join([*DIGITS_RECIPES, *DIGITS_EXPERIMENTS])
        raise Error(f"there is no recipe {recipe!r} for digits; choose one of: {names}")
    other = None if from_run is None else Run.find(from_run)
    plan = digits_recipe(recipe) if recipe is not None or other is None else system.recipe_of(other)
    name = _place(data or plan.data.name)
    run_name = _run_name(plan.name, "" if name == plan.data.name else name)
    plan = system.changed(plan, data=name, seed=seed, steps=steps)
    pictures = _load(name, group)
    if out is None:
        out = new_path(run_name) if group.is_first else Path()
    return _train_new(group, plan, pictures, out, other, minutes, every)


def _train_new(
    group: Group, plan: DigitsRecipe, pictures: DigitData, out: Path, other: Run | None, minutes: float | None,
    every: float,
) -> tuple[Run, Result]:  # fmt: skip
    """Train a recipe in a new folder."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.training import digits as system

    display = TrainingDisplay()
    run, trainer = system.start(
        plan, pictures, out, group.device,
        minutes=minutes, weights_from=other, listener=display, checkpoint_seconds=every, group=group,
    )  # fmt: skip
    display.heading(plan.name, run.path, trainer.task.model, description=system.limited(pictures, plan).describe())
    return run, _trained(run, trainer, display)


def _go_on(run: Run, group: Group, steps: int | None, data: str | None, every: float) -> Result:
    """Train a run further from where it stopped."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.training import devices
    from kqv.training import digits as system

    recipe = run.recipe
    differences = devices.what_differs(run, group)
    display = TrainingDisplay()
    trainer = system.go_on(
        run, lambda name: _load(name, group), group.device,
        steps=steps, data_name=None if data is None else _place(data),
        listener=display, checkpoint_seconds=every, group=group,
    )  # fmt: skip
    display.heading(recipe.name, run.path, trainer.task.model, going_on_at=trainer.step)
    if differences:
        display.print(f"note: {'; '.join(differences)}: the last bits of the result may differ")
    if trainer.steps != recipe.training.steps:
        before = f"{recipe.training.steps:,} steps become {trainer.steps:,}"
        display.print(f"{before}; the learning rate's schedule is stretched over them")
    if trainer.step >= trainer.steps:
        display.print(
            f"{run.path} is finished: {trainer.step:,} of {trainer.steps:,} steps. To train it further: "
            f"kqv train digits --resume {run.path} --steps {2 * trainer.steps}"
        )
    return _trained(run, trainer, display)


def _load(name: str, group: Group) -> DigitData:
    """The pictures; the first process downloads what is missing, the others find it."""
    from kqv.cli.pictures import load_digits_with_progress

    with group.first_goes_first():
        return load_digits_with_progress(name)


def _place(data: str) -> str:
    """A set's name as it is; a folder as its whole path, so that the run finds it from anywhere."""
    from kqv.data.sources import SOURCES

    if data.strip().lower() in SOURCES:
        return data.strip().lower()
    folder = os.path.expanduser(data)  # noqa: PTH111 - Path raises for names that are not allowed
    return os.path.realpath(folder) if os.path.isdir(folder) else data  # noqa: PTH112


def _run_name(recipe: str, data: str) -> str:
    """`digits`, or with data that is not the recipe's own `digits-mnist`, `digits-my-pictures`."""
    last = re.sub(r"[^\w.]+", "-", os.path.basename(data)).strip("-.")  # noqa: PTH119
    return f"{recipe}-{last}" if last else recipe


def _trained(run: Run, trainer: Trainer, display: TrainingDisplay) -> Result:
    """Train; when it ends early, say in one line what is saved and how to go on."""
    from kqv.training.loop import Diverged, Interrupted, Unsaved

    how = f"go on with: kqv train digits --resume {run.path}"
    try:
        with display:
            return trainer.train()
    except Interrupted as stop:
        raise CommandError(f"{stop}, everything is saved in {run.path}; {how}", SIGNALLED + stop.signal) from None
    except Unsaved as failure:
        raise CommandError(f"{failure}; {how}") from None
    except Diverged:
        raise
    except KeyboardInterrupt:
        raise CommandError(
            f"stopped at once; step {trainer.saved:,} is saved in {run.path}; {how}", INTERRUPTED
        ) from None
    except Exception as failure:
        known = explained(failure)
        if known is None or isinstance(failure, Error):
            raise
        raise CommandError(f"{known}; step {trainer.saved:,} is saved in {run.path}; {how}", known.status) from None


def _finish(run: Run, result: Result, as_json: bool) -> None:
    scores = result.scores
    if as_json:
        content = {"run": str(run.path), "steps": result.step, "seconds": round(result.seconds, 3)}
        content |= {f"validation_{name}": score for name, score in scores.items()}
        sys.stdout.write(json.dumps(content) + "\n")
        return
    from rich.markup import escape

    from kqv.cli.console import console

    path = escape(str(run.path))
    accuracy = f"validation accuracy {100 * scores['accuracy']:.2f} %, " if scores else ""
    console.print(
        f"[bold]Trained[/] {result.step:,} steps in {result.seconds:.1f} s: {accuracy}saved in [bold]{path}[/]"
    )
    console.print(f"  [dim]test it[/]      kqv evaluate {path}")
    console.print(f"  [dim]look inside[/]  kqv trace {path}")
