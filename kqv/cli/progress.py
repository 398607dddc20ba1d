"""Live progress of a training: a bar with loss, accuracy, pictures a second and time left; plain lines without a terminal."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from kqv.cli.console import notices
from kqv.training.run import Run


class TrainingDisplay:
    """Shows a training as it goes; `quiet` shows nothing. On standard error, so that results stay alone on standard output."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.accuracy = ""
        self.bar = Progress(
            TextColumn("[bold]step"), MofNCompleteColumn(), BarColumn(bar_width=24), TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True), TextColumn("left"),
            console=notices, transient=True, disable=quiet or not notices.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=None, numbers="")

    def heading(self, run: Run, model: nn.Module, description: str = "", going_on_at: int | None = None) -> None:
        """What is trained on what, and where it is saved."""
        if self.quiet:
            return
        parameters = sum(parameter.numel() for parameter in model.parameters())
        sizes = list(getattr(model, "sizes", ()))
        if description:
            notices.print(description)
        where = f" from step {going_on_at:,}" if going_on_at is not None else ""
        notices.print(f"[bold]{run.recipe.name}[/]: network {sizes}, {parameters:,} weights and biases{where} → {run.path}")

    def __enter__(self) -> TrainingDisplay:
        self.bar.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.stop()

    def started(self, step: int, steps: int) -> None:
        """Set the bar's ends."""
        self.bar.update(self.task, total=steps, completed=step)

    def stepped(self, step: int, loss: float, rate: float) -> None:
        """Move the bar."""
        numbers = f"loss {loss:.4f}  {self.accuracy}{rate:,.0f} pictures/s"
        self.bar.update(self.task, completed=step, numbers=numbers)

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        """Show the validation set's scores; a line of its own where no bar can be drawn."""
        self.accuracy = f"accuracy {100 * scores['accuracy']:.2f} %  " if "accuracy" in scores else ""
        if not self.quiet and not notices.is_terminal:
            notices.print(f"step {step}: validation loss {scores['loss']:.4f}, {self.accuracy.strip()}")
