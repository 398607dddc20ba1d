"""What the `kqv train` commands share: starting, resuming, stopping early, and the closing lines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kqv.cli.failures import INTERRUPTED, SIGNALLED, CommandError, explained
from kqv.cli.json_output import print_json
from kqv.errors import Error, RunError, with_article

if TYPE_CHECKING:
    from kqv.cli.progress import TrainingDisplay
    from kqv.systems.system import Asked, System, Watcher
    from kqv.training.distributed import Group
    from kqv.training.loop import Result, Trainer
    from kqv.training.run import Run


def check_flags(resume: str | None, fresh: tuple[object, ...], steps: int | None, minutes: float | None) -> None:
    """Raise `Error` for flags that contradict each other; `fresh` are those that only a new run takes."""
    if resume is not None and any(option is not None for option in (*fresh, minutes)):
        raise Error(
            "--resume keeps the recipe that the run was started with; only --steps, --data, --device, --plot,"
            " --tensorboard and --json can be given with it"
        )
    if steps is not None and minutes is not None:
        raise Error("--steps and --minutes both say how long to train; give one of them")


@dataclass(frozen=True)
class Shown:
    """How a training is watched and ended: where it computes, what is drawn and written of it, and whether several
    processes split the model."""

    device: str = "auto"
    plot: Path | None = None
    tensorboard: bool = False
    as_json: bool = False
    shard: bool = False


def train_or_resume(
    system: str, asked: Asked, resume: str | None, out: Path | None, fresh: tuple[object, ...], shown: Shown
) -> None:
    """Train a new run as it is asked for, or one that stopped; show it, and say how it ended."""
    check_flags(resume, fresh, asked.changes.steps, asked.minutes)
    every = checkpoint_seconds()

    from kqv.cli.curves import plot_run
    from kqv.cli.preparing import TerminalWatcher
    from kqv.systems.system import system_named
    from kqv.training import devices
    from kqv.training.distributed import joined

    require(shown)
    chosen = system_named(system)
    old = None if resume is None else find_to_resume(resume, system)
    device = (
        devices.device_of(old) if old is not None and shown.device == "auto" else devices.choose_device(shown.device)
    )
    with joined(device, shown.shard) as group:
        with TerminalWatcher() as watcher:
            if old is not None:
                run, (trainer, display) = old, resumed(chosen, old, asked, group, watcher, every)
            else:
                run, trainer, display = begun(chosen, asked, out, group, watcher, every)
        if shown.tensorboard:
            write_to_tensorboard(trainer)
        display.sample_of(trainer)
        measure_peak(trainer, display)
        result = trained(system, run, trainer, display)
    if group.is_first:
        if shown.plot is not None:
            plot_run(run, shown.plot)
        finish(run, result, shown.as_json, chosen.next_steps(run.path))


def require(shown: Shown) -> None:
    """Raise `Error` before anything is trained for what could not be drawn or written afterwards."""
    from kqv.plots.figures import check_ending
    from kqv.training.tensorboard import require_tensorboard

    if shown.plot is not None:
        check_ending(shown.plot)
    if shown.tensorboard:
        require_tensorboard()


def begun(
    system: System, asked: Asked, out: Path | None, group: Group, watcher: Watcher, every: float
) -> tuple[Run, Trainer, TrainingDisplay]:
    """A new run, with its heading shown."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.systems.training import begin

    display = TrainingDisplay(unit=system.unit)
    found = begin(system, asked, out, group, watcher, listener=display, checkpoint_seconds=every)
    planned = found.planned
    display.heading(planned.recipe.name, found.run.path, found.trainer.task.model, description=planned.description)
    for note in planned.notes(found.trainer):
        display.print(f"  {note}")
    return found.run, found.trainer, display


def resumed(
    system: System, run: Run, asked: Asked, group: Group, watcher: Watcher, every: float
) -> tuple[Trainer, TrainingDisplay]:
    """A run from where it stopped, with its heading shown."""
    from kqv.cli.progress import TrainingDisplay
    from kqv.systems.training import resume

    before = run.recipe.training.steps or 0
    display = TrainingDisplay(unit=system.unit)
    trainer = resume(
        system, run, group, watcher, data=asked.changes.data, steps=asked.changes.steps, listener=display,
        checkpoint_seconds=every,
    )  # fmt: skip
    announce_resuming(run, trainer, display, group, before)
    return trainer, display


def find_to_resume(name: str, system: str) -> Run:
    """The run to resume; `RunError` where there is none, or it is of another system."""
    from kqv.training.run import Run

    run = Run.find(name, system)
    if run.recipe.system != system:
        raise RunError(
            f"{run.path} is {with_article(run.recipe.system)} run; resume it with: kqv train {run.recipe.system} "
            f"--resume {name}"
        )
    return run


def checkpoint_seconds() -> float:
    """How often a run's state is saved: the environment variable KQV_CHECKPOINT_SECONDS, or the usual time."""
    text = os.environ.get("KQV_CHECKPOINT_SECONDS", "20")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise Error(f"KQV_CHECKPOINT_SECONDS needs a number of seconds from 0 up, got {text!r}")
    return seconds


def announce_resuming(run: Run, trainer: Trainer, display: TrainingDisplay, group: Group, steps_before: int) -> None:
    """What is trained further, and what may be different."""
    from kqv.training.devices import what_differs

    display.heading(run.recipe.name, run.path, trainer.task.model, resumed_at=trainer.step)
    differences = what_differs(run, group)
    if differences:
        display.print(f"note: {'; '.join(differences)}: the result may differ in the last bits")
    if trainer.steps != steps_before:
        before = f"{steps_before:,} steps become {trainer.steps:,}"
        display.print(f"{before}; the learning rate's schedule is stretched over them")
    if trainer.step >= trainer.steps and not trainer.due:
        display.print(
            f"{run.path} is finished: {trainer.step:,} of {trainer.steps:,} steps. To train it further: "
            f"kqv train {run.recipe.system} --resume {run.path} --steps {2 * trainer.steps}"
        )


def measure_peak(trainer: Trainer, display: TrainingDisplay) -> None:
    """Measure the machine's matrix-product speed, for a display that says what share of it is used; of a task that
    tells how much its steps compute, in one process, and where steps are left."""
    from kqv.training.flops import matrix_product_peak
    from kqv.training.task import Counting

    task, group = trainer.task, trainer.group
    if isinstance(task, Counting) and group.size == 1 and not trainer.ended:
        display.compare_with_peak(task.flops / task.size(trainer.step), matrix_product_peak(group.device))


def write_to_tensorboard(trainer: Trainer) -> None:
    """Let the trainer's measurements go to TensorBoard too. Raises `Error` where its package is not installed."""
    from kqv.training.tensorboard import TensorBoard

    if trainer.group.is_first:
        trainer.also = TensorBoard(trainer.run.path, trainer.step).add


def trained(system: str, run: Run, trainer: Trainer, display: TrainingDisplay) -> Result:
    """Train; when it ends early, say in one line what is saved and how to resume."""
    from kqv.training.loop import Diverged, Interrupted, Unsaved

    how = f"resume with: kqv train {system} --resume {run.path}"
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
            f"stopped immediately; step {trainer.saved:,} is saved in {run.path}; {how}", INTERRUPTED
        ) from None
    except Exception as failure:
        known = explained(failure)
        if known is None or isinstance(failure, Error):
            raise
        raise CommandError(f"{known}; step {trainer.saved:,} is saved in {run.path}; {how}", known.status) from None


def finish(run: Run, result: Result, as_json: bool, next_steps: dict[str, str]) -> None:
    """Say how a training ended, and what can be done with it: commands by what they are for."""
    scores = result.scores
    if as_json:
        content = {"run": str(run.path), "steps": result.step, "seconds": round(result.seconds, 3)}
        content |= {f"validation_{name}": score for name, score in scores.items()}
        print_json(content)
        return
    from rich.markup import escape

    from kqv.cli.console import console, counted
    from kqv.cli.scores import headline

    path = escape(str(run.path))
    found = headline(scores)
    if found:
        score = f"validation {found}, "
    else:
        of = f" of a sample of {scores['tokens']:,.0f} tokens" if result.unscored else ""
        score = f"validation loss {scores['loss']:.4f}{of}, " if scores else ""
    console.print(
        f"[bold]Trained[/] {counted(result.step, 'step')} in {result.seconds:.1f} s: {score}saved in [bold]{path}[/]"
    )
    width = max(len(purpose) for purpose in next_steps)
    for purpose, command in next_steps.items():
        console.print(f"  [dim]{purpose:<{width}}[/]  {escape(command)}")
