"""What `kqv compare` shows: how far the whole is while it runs, and the answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from kqv.cli.console import console, counted, notices, shown
from kqv.experiments.answer import Answer, Result
from kqv.experiments.folder import Outcome
from kqv.experiments.question import Variant
from kqv.experiments.running import Observer
from kqv.training.loop import Trainer
from kqv.visible import visible

SAMPLE_LINES = 3


class ComparisonDisplay(Observer):
    """A bar over all runs with the time left; without a terminal a line for each run that is finished."""

    def __init__(self) -> None:
        self.is_live = notices.is_terminal and not notices.is_dumb_terminal
        self.bar = Progress(
            TextColumn("run {task.fields[run]} of {task.fields[runs]}"), BarColumn(bar_width=None),
            TextColumn("{task.fields[left]}"), TextColumn("{task.fields[numbers]}"),
            console=notices, transient=True, disable=not self.is_live, expand=True,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=1.0, run=0, runs=0, left="", numbers="")
        self.runs = self.done = 0
        self.done_here = 0.0  # runs since this process began, the present one's part among them
        self.first_step, self.steps = 0, 1
        self.began = time.monotonic()
        self.name = ""

    def __enter__(self) -> ComparisonDisplay:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.stop()

    def settled(self, folder: Path, variants: tuple[Variant, ...], runs: int, done: int) -> None:
        """What is compared where."""
        self.runs, self.done, self.began = runs, done, time.monotonic()
        labels = shown(" · ".join(variant.label for variant in variants))
        notices.print(f"[bold]{labels}[/]: {counted(runs, 'run')} in [bold]{shown(folder)}[/]")
        finished = f"{done:,} of {runs:,} are finished; " if 0 < done < runs else ""
        if done < runs:
            notices.print(f"  {finished}Ctrl-C stops, and kqv compare {shown(folder)} resumes", markup=True)
            self.bar.update(self.task, total=runs, completed=done, run=min(done + 1, runs), runs=runs)
            self.bar.start()

    def begins(self, variant: Variant, seed: int, trainer: Trainer) -> None:
        """A run is trained next."""
        self.name, self.first_step, self.steps = f"{variant.label}, seed {seed}", trainer.step, trainer.steps
        self.bar.update(self.task, run=self.done + 1, numbers=escape(visible(self.name)))

    def listener(self) -> ComparisonDisplay:
        """This display itself."""
        return self

    def started(self, step: int, steps: int) -> None:
        """Training begins."""

    def stepped(self, step: int, loss: float, rate: float) -> None:
        """Move the bar by a part of a run."""
        part, here = step / self.steps, (step - self.first_step) / self.steps
        numbers = escape(visible(f"{self.name}: loss {loss:.4f}"))
        self.bar.update(self.task, completed=self.done + part, left=self._left(part, here), numbers=numbers)

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        """Nothing: the scores that count are taken at the end."""

    def ended(self, variant: Variant, seed: int, outcome: Outcome) -> None:
        """A run is finished."""
        self.done += 1
        self.done_here += (outcome.steps - self.first_step) / self.steps if self.steps else 1
        left = self._left(0, 0)
        self.bar.update(self.task, completed=self.done, left=left)
        if self.is_live:
            return
        found = "diverged" if outcome.diverged else _scores(outcome)
        rest = f", {left}" if self.done < self.runs else ""
        notices.print(f"{self.done} of {self.runs}: {visible(self.name)}: {found}{rest}", markup=False)

    def _left(self, part: float, here: float) -> str:
        """The time left in words, from what the runs of this process took."""
        done = self.done_here + here
        if done <= 0:
            return ""
        seconds = (time.monotonic() - self.began) / done * (self.runs - self.done - part)
        return f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """About how long: 40 s, 12 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _scores(outcome: Outcome) -> str:
    from kqv.cli.scores import headline

    found = headline(outcome.scores)
    loss = f"loss {outcome.scores['loss']:.4f}" if "loss" in outcome.scores else ""
    return ", ".join(filter(None, (found, loss)))


def show_answer(answer: Answer) -> None:
    """The answer for people: table, sentences, where the traces part, samples, what was drawn."""
    console.print(f"[bold]{shown(_title(answer))}[/]")
    console.print(_table(answer))
    for line in ("", *answer.sentences, *_notes(answer)):
        console.print(line, markup=False)
    if answer.question.explanation:
        console.print(f"\n{answer.question.explanation}", markup=False)
    if len(answer.results) > 2 and answer.baseline.spread is not None:
        console.print(
            "(each interval is for itself: of 20 comparisons of equals, one shows a difference by chance)",
            markup=False, style="dim",
        )  # fmt: skip
    _show_pairing(answer)
    _show_partings(answer)
    _show_samples(answer)
    for path in answer.figures:
        if path.with_suffix(".svg") in answer.figures and path.suffix == ".svg":
            continue  # beside a PNG
        console.print(f"figure written to [bold]{escape(str(path))}[/]")


def _title(answer: Answer) -> str:
    """The question in words, or what is compared in how many steps."""
    question = answer.question
    steps = "" if answer.steps is None else f", {counted(answer.steps, 'step')} each"
    return question.question or (
        f"{question.system}: {answer.measure.title} of the held-out data, {counted(question.seeds, 'seed')}{steps}"
    )


def _table(answer: Answer) -> Table:
    measure = answer.measure
    table = Table(box=None, pad_edge=False)
    for heading in ("", measure.title, "spread", "difference, 95 %", "seconds", "parameters"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=bool(heading))
    for result in answer.results:
        table.add_row(
            escape(visible(result.label)), measure.text(result.mean), measure.text(result.spread),
            _difference(answer, result), f"{result.seconds:.1f}", f"{result.parameters:,}",
        )  # fmt: skip
    return table


def _difference(answer: Answer, result: Result) -> str:
    if result.pairs is None:
        return "baseline"
    only = result.pairs.differences[0] if len(result.pairs.differences) == 1 else None
    return answer.measure.difference(result.difference, only)


def _notes(answer: Answer) -> list[str]:
    """What the system says of a variant that it does not say of all, such as a leak; and where numbers ended."""
    common = set.intersection(*(set(result.notes) for result in answer.results))
    found = []
    for result in answer.results:
        label = visible(result.label)
        found += [f"note on {label}: {note}" for note in result.notes if note not in common]
        found += [f"note on {label}, seed {seed}: {where}" for seed, where in result.diverged.items()]
    return found


def _show_pairing(answer: Answer) -> None:
    """What the variants of a seed did not have in common."""
    lines = {
        result.label: result.pairing.text(answer.baseline.label)
        for result in answer.results
        if result.pairing is not None and not result.pairing.is_whole
    }
    if not lines:
        console.print("\nAll variants of a seed begin with the same weights and see the same batches.", markup=False)
        return
    console.print("\nWhat the variants of a seed do not begin with in common:", markup=False)
    for label, line in lines.items():
        console.print(f"  {label}: {line}", markup=False)


def _show_partings(answer: Answer) -> None:
    """Where the traces part from the baseline's, before and after training."""
    if not answer.untrained:
        return
    console.print(
        f"\nWhere the traces part from that of {visible(answer.baseline.label)}, on the same input:", markup=False
    )
    for result in answer.results[1:]:
        for when, found in (("untrained", answer.untrained), ("trained", answer.trained)):
            if result.label in found:
                console.print(f"  {visible(result.label)}, {when}: {found[result.label].text()}", markup=False)


def _show_samples(answer: Answer) -> None:
    """The first lines of what each model writes."""
    written = [(result.label, result.sample) for result in answer.results if result.sample.strip()]
    if not written:
        return
    console.print("\nWhat each writes:", markup=False)
    for label, text in written:
        console.print(f"  {visible(label)}", markup=False)
        for line in [line for line in text.splitlines() if line.strip()][:SAMPLE_LINES]:
            console.print(f"    {visible(line)}", markup=False, style="dim")
