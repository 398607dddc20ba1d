"""Live progress of a training: a bar with loss, scores, speed and time left; plain lines without a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import nn

from kqv.cli.console import notices, shown
from kqv.cli.scores import headline
from kqv.tensors import learned_count
from kqv.training.loop import Trainer
from kqv.training.task import Estimating
from kqv.visible import visible

LINES = 20  # how often a whole training is reported where no bar can be drawn
SAMPLE_LINES = 2


def described(model: nn.Module) -> str:
    """What a model says of itself in a few words."""
    describe = getattr(model, "describe", None)
    return str(describe()) if callable(describe) else type(model).__name__


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on standard error what takes its time; on a terminal only while it does."""
    if notices.is_terminal and not notices.is_dumb_terminal:
        with notices.status(f"[dim]{what} …[/]"):
            yield
        return
    notices.print(f"[dim]{what} …[/]")
    yield


class _BarAndSample(Progress):
    """A bar with a few lines of text below it."""

    below = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.below:
            yield Text(self.below, style="dim", no_wrap=True, overflow="ellipsis")


class TrainingDisplay:
    """Shows a training as it goes, on standard error, so that results stay alone on standard output."""

    def __init__(self, unit: str = "pictures", console: Console = notices) -> None:
        self.unit, self.console = unit, console
        self.is_live = console.is_terminal and not console.is_dumb_terminal
        self.scores = ""
        self.share_of_rate = 0.0
        self.has_reported = False
        self.steps, self.next_line = 0, 0.0
        self.bar = _BarAndSample(
            MofNCompleteColumn(), BarColumn(bar_width=None), TimeRemainingColumn(compact=True), TextColumn("left"),
            TextColumn("{task.fields[numbers]}"),
            console=console, transient=True, disable=not self.is_live, expand=True,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=None, numbers="")

    def print(self, text: str) -> None:
        """A line of its own, as it is."""
        self.console.print(text, markup=False)

    def heading(
        self, name: str, path: Path, model: nn.Module, description: str = "", resumed_at: int | None = None
    ) -> None:
        """What is trained on what, and where it is saved."""
        parameters = learned_count(model)
        if description:
            self.print(description.replace("; ", "\n  "))
        where = f", from step {resumed_at:,}" if resumed_at is not None else ""
        self.console.print(
            f"[bold]{shown(name)}[/]: {shown(described(model))}, {parameters:,} weights and biases{where}"
        )
        self.console.print(f"  saved in [bold]{shown(path)}[/]; Ctrl-C stops it, and it can be resumed")

    def sample_of(self, trainer: Trainer) -> None:
        """Say where a part of the validation set is scored in place of all."""
        task = trainer.task
        if not isinstance(task, Estimating) or task.evaluated == task.held_out:
            return
        at_the_end = "; all of them at the end" if task.ends_with_all(trainer.steps) else ""
        all_of_them = "" if at_the_end else f"; all of them by: kqv evaluate {trainer.run.path}"
        self.print(
            f"  validation loss: of a fixed sample of {task.evaluated:,} of the {task.held_out:,} held-out tokens"
            f"{at_the_end}{all_of_them}"
        )

    def __enter__(self) -> TrainingDisplay:
        self.bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.stop()

    def compare_with_peak(self, operations: float, peak: float) -> None:
        """Show from now on what share of the machine's matrix-product speed `peak` is used, where an example takes so
        many operations."""
        self.share_of_rate = operations / peak if peak > 0 else 0.0  # 0 where the clock stood still
        self.print(f"  this machine multiplies matrices at {_short(peak / 1e9)} GFLOP/s (float32, measured now)")

    def started(self, step: int, steps: int) -> None:
        """Set the bar's ends."""
        self.steps, self.next_line = steps, step + steps / LINES
        self.bar.update(self.task, total=steps, completed=step)

    def stepped(self, step: int, loss: float, rate: float) -> None:
        """Move the bar."""
        numbers = f"loss {loss:.4f}  {self.scores}{_short(rate)} {self.unit}/s"
        if self.share_of_rate:
            numbers += f"  {100 * self.share_of_rate * rate:.0f} % of peak"
        self.bar.update(self.task, completed=step, numbers=numbers)

    def evaluating(self, done: int, whole: int) -> None:
        """Show how far an evaluation is."""
        self.bar.update(self.task, numbers=f"scoring held-out {self.unit}: {100 * done / whole:.0f} %")

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        """Show the validation set's scores; a line of its own where no bar can be drawn, but not too many."""
        found = headline(scores)
        self.scores = f"{found}  " if found else ""
        self.has_reported = not self.is_live and (step >= self.next_line or step >= self.steps)
        if not self.has_reported:
            return
        self.next_line = step + self.steps / LINES
        self.print(f"step {step:,} of {self.steps:,}: validation loss {scores['loss']:.4f}, {found}".rstrip(", "))

    def sampled(self, step: int, text: str) -> None:
        """Show what the model writes below the bar; where no bar can be drawn, with the scores."""
        lines = [visible(line) for line in text.splitlines() if line.strip()][:SAMPLE_LINES]
        self.bar.below = "\n".join(f"  {line}" for line in lines)
        if self.has_reported:
            for line in lines:
                self.console.print(f"  {line}", markup=False, style="dim")


def _short(number: float) -> str:
    """Three digits that say how large a number is: 523, 12.3k, 1.4M."""
    for factor, sign in ((1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.{2 if number < 10 * factor else 1 if number < 100 * factor else 0}f}{sign}"
    return f"{number:.0f}"
