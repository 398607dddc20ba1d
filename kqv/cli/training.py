"""What the `kqv train` commands share: beginning, going on, ending early, and the last words."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

from kqv.cli.failures import INTERRUPTED, SIGNALLED, CommandError, explained
from kqv.errors import Error, RunError

if TYPE_CHECKING:
    from kqv.cli.progress import TrainingDisplay
    from kqv.training.distributed import Group
    from kqv.training.loop import Result, Trainer
    from kqv.training.run import Run


def check_flags(resume: str | None, fresh: tuple[object, ...], steps: int | None, minutes: float | None) -> None:
    """Raise `Error` for flags that contradict each other; `fresh` are those that only a new run takes."""
    if resume is not None and any(option is not None for option in (*fresh, minutes)):
        raise Error(
            "--resume goes on with a run as it was begun; only --steps, --data, --device, --plot,"
            " --tensorboard and --json go with it"
        )
    if steps is not None and minutes is not None:
        raise Error("--steps and --minutes both say how long to train; give one of them")


def find_to_resume(name: str, system: str) -> Run:
    """The run to go on with; `RunError` where there is none, or it is of another system."""
    from kqv.training.run import Run

    run = Run.find(name)
    if run.recipe.system != system:
        raise RunError(
            f"{run.path} is a {run.recipe.system} run; go on with it by: kqv train {run.recipe.system} --resume {name}"
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


def place_of(data: str) -> str:
    """A set's name as it is; a file or folder as its whole path, so that the run finds it from anywhere."""
    from kqv.data.sources import SOURCES

    if data.strip().lower() in SOURCES:
        return data.strip().lower()
    place = os.path.expanduser(data)  # noqa: PTH111 - Path raises for names that are not allowed
    return os.path.realpath(place) if os.path.exists(place) else data  # noqa: PTH110


def run_name(recipe: str, data: str) -> str:
    """`digits`, or with data that is not the recipe's own `digits-mnist`, `digits-my-pictures`."""
    last = re.sub(r"[^\w.]+", "-", os.path.basename(data)).strip("-.")  # noqa: PTH119
    return f"{recipe}-{last}" if last else recipe


def announce_going_on(run: Run, trainer: Trainer, display: TrainingDisplay, group: Group, steps_before: int) -> None:
    """What is trained further, and what may be different."""
    from kqv.training.devices import what_differs

    display.heading(run.recipe.name, run.path, trainer.task.model, going_on_at=trainer.step)
    differences = what_differs(run, group)
    if differences:
        display.print(f"note: {'; '.join(differences)}: the last bits of the result may differ")
    if trainer.steps != steps_before:
        before = f"{steps_before:,} steps become {trainer.steps:,}"
        display.print(f"{before}; the learning rate's schedule is stretched over them")
    if trainer.step >= trainer.steps:
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
    """Train; when it ends early, say in one line what is saved and how to go on."""
    from kqv.training.loop import Diverged, Interrupted, Unsaved

    how = f"go on with: kqv train {system} --resume {run.path}"
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


def finish(run: Run, result: Result, as_json: bool, next_steps: dict[str, str]) -> None:
    """Say how a training ended, and what can be done with it: commands by what they are for."""
    scores = result.scores
    if as_json:
        content = {"run": str(run.path), "steps": result.step, "seconds": round(result.seconds, 3)}
        content |= {f"validation_{name}": score for name, score in scores.items()}
        sys.stdout.write(json.dumps(content) + "\n")
        return
    from rich.markup import escape

    from kqv.cli.console import console

    path = escape(str(run.path))
    if "accuracy" in scores:
        score = f"validation accuracy {100 * scores['accuracy']:.2f} %, "
    else:
        score = f"validation loss {scores['loss']:.4f}, " if scores else ""
    console.print(f"[bold]Trained[/] {result.step:,} steps in {result.seconds:.1f} s: {score}saved in [bold]{path}[/]")
    width = max(len(purpose) for purpose in next_steps)
    for purpose, command in next_steps.items():
        console.print(f"  [dim]{purpose:<{width}}[/]  {escape(command)}")
