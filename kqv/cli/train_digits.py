"""`kqv train digits`: a digit recogniser from a recipe, or an experiment of several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kqv.cli.options import Device, Json
from kqv.cli.train_options import From, Minutes, Out, Plot, Resume, Seed, Steps, TensorBoard
from kqv.cli.training import (
    announce_going_on,
    check_flags,
    checkpoint_seconds,
    find_to_resume,
    finish,
    place_of,
    run_name,
    trained,
    write_to_tensorboard,
)
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.data.digits import DigitData
    from kqv.experiments.experiment import Experiment
    from kqv.training.distributed import Group
    from kqv.training.loop import Result
    from kqv.training.recipes import DigitsRecipe
    from kqv.training.run import Run

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


def digits(
    data: Data = None, recipe: Recipe = None, out: Out = None, resume: Resume = None, from_run: From = None,
    seed: Seed = None, steps: Steps = None, minutes: Minutes = None, device: Device = "auto", plot: Plot = None,
    tensorboard: TensorBoard = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Train a digit recogniser; without --data on the embedded 8×8 digits. Ctrl-C saves it and says how to go on."""
    check_flags(resume, (recipe, out, from_run, seed), steps, minutes)
    every = checkpoint_seconds()

    from kqv.cli.experiment import plot_run, report
    from kqv.experiments.digits import DIGITS_EXPERIMENTS
    from kqv.plots.figures import check_ending
    from kqv.training import devices
    from kqv.training.distributed import joined
    from kqv.training.tensorboard import require_tensorboard

    if plot is not None:
        check_ending(plot)
    if tensorboard:
        require_tensorboard()
    if recipe in DIGITS_EXPERIMENTS:
        if from_run is not None or minutes is not None:
            raise Error(f"{recipe} is an experiment of several trainings; leave out --from and --minutes")
        experiment = DIGITS_EXPERIMENTS[recipe]()
        runs = _train_variants(experiment, data, out, seed, steps, device, every, tensorboard)
        number = "" if out is not None else f"-{runs[0].path.name.rpartition('-')[2]}"  # the first run's
        report(experiment, runs, plot or runs[0].path.parent / f"{recipe}{number}.png", as_json)
        return
    old = None if resume is None else find_to_resume(resume, "digits")
    chosen = devices.device_of(old) if old is not None and device == "auto" else devices.choose_device(device)
    with joined(chosen) as group:
        if old is not None:
            run, result = old, _go_on(old, group, steps, data, every, tensorboard)
        else:
            run, result = _start(group, data, recipe, out, from_run, seed, steps, minutes, every, tensorboard)
    if group.is_first:
        if plot is not None:
            plot_run(run, plot)
        path = run.path
        finish(run, result, as_json, {"test it": f"kqv evaluate {path}", "look inside": f"kqv trace {path}"})


def _train_variants(
    experiment: Experiment, data: str | None, out: Path | None, seed: int | None, steps: int | None, device: str,
    every: float, tensorboard: bool,
) -> list[Run]:  # fmt: skip
    """Train an experiment's variants one after another."""
    from kqv.training import devices
    from kqv.training import digits as system
    from kqv.training.distributed import joined
    from kqv.training.run import Run, new_path

    runs = []
    with joined(devices.choose_device(device)) as group:
        if group.size > 1:
            raise Error("an experiment's small networks train in one process; start it without torchrun")
        if out is not None:  # all are looked at before the first is trained
            for variant in experiment.variants:
                Run(out / variant.recipe.name).require_free()
        for variant in experiment.variants:
            plan = system.changed(variant.recipe, data=None if data is None else place_of(data), seed=seed, steps=steps)
            pictures = _load(plan.data.name, group)
            place = new_path(f"{experiment.name}-{plan.name}") if out is None else out / plan.name
            runs.append(_train_new(group, plan, pictures, place, None, None, every, tensorboard)[0])
    return runs


def _start(
    group: Group, data: str | None, recipe: str | None, out: Path | None, from_run: str | None,
    seed: int | None, steps: int | None, minutes: float | None, every: float, tensorboard: bool,
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
    name = place_of(data or plan.data.name)
    own_name = run_name(plan.name, "" if name == plan.data.name else name)
    plan = system.changed(plan, data=name, seed=seed, steps=steps)
    pictures = _load(name, group)
    if out is None:
        out = new_path(own_name) if group.is_first else Path()
    return _train_new(group, plan, pictures, out, other, minutes, every, tensorboard)


def _train_new(
    group: Group, plan: DigitsRecipe, pictures: DigitData, out: Path, other: Run | None, minutes: float | None,
    every: float, tensorboard: bool,
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
    if tensorboard:
        write_to_tensorboard(trainer)
    return run, trained("digits", run, trainer, display)


def _go_on(
    run: Run, group: Group, steps: int | None, data: str | None, every: float, tensorboard: bool
) -> Result:  # fmt: skip
    """Train a run further from where it stopped."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.training import digits as system

    recipe = run.recipe
    display = TrainingDisplay()
    trainer = system.go_on(
        run, lambda name: _load(name, group), group.device,
        steps=steps, data_name=None if data is None else place_of(data),
        listener=display, checkpoint_seconds=every, group=group,
    )  # fmt: skip
    assert recipe.training.steps is not None
    announce_going_on(run, trainer, display, group, recipe.training.steps)
    if tensorboard:
        write_to_tensorboard(trainer)
    return trained("digits", run, trainer, display)


def _load(name: str, group: Group) -> DigitData:
    """The pictures; the first process downloads what is missing, the others find it."""
    from kqv.cli.pictures import load_digits_with_progress

    with group.first_goes_first():
        return load_digits_with_progress(name)
