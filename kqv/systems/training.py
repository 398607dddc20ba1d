"""Training any system: a new run from a recipe, or one that stopped; what `kqv train` and `kqv.train` both do."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kqv.data.location import location_of
from kqv.errors import Error
from kqv.systems.changes import Changes
from kqv.systems.source import run_source
from kqv.systems.system import Asked, Planned, System, Watcher, system_named
from kqv.training import devices, launch
from kqv.training.distributed import Group, joined
from kqv.training.loop import CHECKPOINT_SECONDS, Listener, Result, Trainer
from kqv.training.plans import Recipe
from kqv.training.run import Run, new_path
from kqv.viewed import Viewed, shown_while


@dataclass(frozen=True)
class Trained(Viewed):
    """A training that came to its end: its run, how it ended, and what was to be said of it, such as that its mask lets
    it see what it has to say."""

    run: Run
    result: Result
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> Any:
        """The trained model, as `kqv.load` gives it."""
        return system_named(self.run.recipe.system).load(run_source(self.run), False)


@dataclass(frozen=True)
class Begun:
    """A training that is ready: its run, its trainer, and the plan that it follows."""

    run: Run
    trainer: Trainer
    planned: Planned


def begin(
    system: System, asked: Asked, out: Path | None, group: Group, watcher: Watcher, *, listener: Listener | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Begun:  # fmt: skip
    """A new run of a system, ready to train, in `out` or else in a new folder of `runs`.

    Raises `Error` for what cannot be trained so, and where the folder is taken; then nothing of the run is left.
    """
    planned = system.plan(asked, group, watcher)
    if out is None:
        out = new_path(run_name(system, planned.recipe)) if group.is_first else Path()
    run, trainer = launch.start(
        planned.prepare, out, group, minutes=planned.minutes, weights_from=planned.weights_from, listener=listener,
        checkpoint_seconds=checkpoint_seconds,
    )  # fmt: skip
    return Begun(run, trainer, planned)


def resume(
    system: System, run: Run, group: Group, watcher: Watcher, *, data: str | None = None, steps: int | None = None,
    listener: Listener | None = None, checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Trainer:  # fmt: skip
    """The trainer of a run that stopped, where its checkpoint left it; `data` says where its data is now.

    Raises `RunError` when its data changed since, or the run is damaged; `Error` for fewer steps than it made.
    """
    prepare = system.resume(run, None if data is None else location_of(data), group, watcher)
    return launch.resume(run, prepare, group, steps=steps, listener=listener, checkpoint_seconds=checkpoint_seconds)


def train(
    system: str, *, data: str | None = None, recipe: str | Recipe | None = None, out: str | Path | None = None,
    resume_run: str | Path | None = None, weights_from: str | Path | None = None, minutes: float | None = None,
    device: str = "auto", listener: Listener | None = None, show: bool = True, **changes: Any,
) -> Trained:  # fmt: skip
    """Train a system ("digits", "gpt") to the end, as `kqv train` does.

        trained = kqv.train("gpt", data="my-text.txt", minutes=2)
        trained.model.generate("Once")

    `recipe`: its name, or a recipe itself. `weights_from`: a model to start from; `resume_run`: a run that stopped.
    `changes`: `steps`, `seed`, `layers`, `heads`, `width`, `context`, `dropout`, `batch`, `learning_rate`, `optimizer`,
    `precision`, `compile`, `tokenizer`, `teacher` and others (`kqv.systems.changes.Changes`). `listener` is told of
    each step and score. `show`: in a notebook that has the extra `notebook`, a view of the run moves while it trains.
    Raises `Error` as the command does; `Interrupted` after Ctrl-C, with everything saved.
    """
    try:
        wanted = Changes(data=None if data is None else location_of(data), **changes)
    except TypeError:
        known = ", ".join(sorted(Changes.__dataclass_fields__))
        raise Error(f"train() takes no {', '.join(sorted(changes.keys() - Changes.__dataclass_fields__.keys()))}; the "
                    f"changes to a recipe are: {known}") from None  # fmt: skip
    chosen, watcher = system_named(system), Watcher()
    old = None if resume_run is None else Run.find(resume_run)
    with joined(
        devices.device_of(old) if old is not None and device == "auto" else devices.choose_device(device)
    ) as group:
        notes: tuple[str, ...] = ()
        if old is not None:
            run, trainer = old, resume(chosen, old, group, watcher, data=data, steps=wanted.steps, listener=listener)
        else:
            asked = Asked(recipe, wanted, None if weights_from is None else str(weights_from), minutes)
            begun = begin(chosen, asked, None if out is None else Path(out), group, watcher, listener=listener)
            run, trainer, notes = begun.run, begun.trainer, tuple(begun.planned.notes(begun.trainer))
        with shown_while(run, show and group.is_first):
            result = trainer.train()
        return Trained(run, result, notes)


def run_name(system: System, recipe: Recipe) -> str:
    """`digits`, or with data that is not the recipe's own `digits-mnist`, `digits-my-pictures`."""
    own = system.recipes[recipe.name]().data.name if recipe.name in system.recipes else ""
    if recipe.data.name == own:
        return recipe.name
    last = re.sub(r"[^\w.]+", "-", os.path.basename(recipe.data.name)).strip("-.")  # noqa: PTH119
    return f"{recipe.name}-{last}" if last else recipe.name
