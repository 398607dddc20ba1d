"""How `kqv rebuild` looks: the list, a check's findings, hints, and a training epoch by epoch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from kqv.cli.console import console, fitted, say_commands
from kqv.visible import visible
from kqv.workshop.catalogue import exercises, names
from kqv.workshop.desk import option

if TYPE_CHECKING:
    from kqv.workshop.exercise import Exercise
    from kqv.workshop.findings import Finding, Report, Verdict
    from kqv.workshop.progress import Progress
    from kqv.workshop.training import Trained

BAR = 30
PLEASANT = 100  # columns of a paragraph, at most
_MARKS = {"passed": "[green]✓[/]", "begun": "[yellow]●[/]", "not begun": "[dim]○[/]"}
_PRINTED_LINES = 12


def say(text: str, indent: int = 0, style: str = "") -> None:
    """A paragraph, wrapped to the terminal but never wider than is pleasant, all of its lines indented."""
    words = Text(" " * indent + " ".join(visible(text).split()))
    console.print(fitted(words, min(console.width, PLEASANT)), style=style or None)


def command(word: str, name: str, folder: Path) -> str:
    """A command for the learner to type."""
    return " ".join(part for part in ("kqv rebuild", word, name) if part) + option(folder)


def show_overview(known: Progress, folder: Path) -> None:
    """All exercises with how far the learner has come, and what to do next."""
    states = {name: known.state(name, folder) for name in names()}
    passed = sum(state == "passed" for state in states.values())
    console.print(f"[bold]Rebuild it from scratch[/]  {passed} of {len(states)} passed\n")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, justify="right")
    for name, state in states.items():
        record = known.exercises.get(name)
        right: str = state if state != "not begun" else ""
        if record is not None and record.accuracy is not None:
            where = "" if record.data == "digits8x8" else f" [dim]{escape(record.data)}[/]"
            right = f"[green]{100 * record.accuracy:.1f} %[/]{where}"
        style = "bold" if state != "not begun" else ""
        table.add_row(
            _MARKS[state], f"[{style}]{name}[/]" if style else name, f"[dim]{exercises()[name].title}[/]", right
        )
    console.print(table)
    if any(record.accuracy is not None for record in known.exercises.values()):
        console.print("\n[dim]%: accuracy on the test digits, of the network trained with your own function.[/]")
    console.print()
    _next(known, folder)


def _next(known: Progress, folder: Path) -> None:
    name = known.next_one(folder)
    if name is None:
        say("You have written all of it: every part of that network is now your own.")
        return
    begun = known.state(name, folder) == "begun"
    console.print(f"Next: [bold]{escape(command('check' if begun else '', name, folder))}[/]")


def show_begun(path: Path, is_new: bool, name: str, folder: Path) -> None:
    """Where the template is, and what to do next."""
    if is_new:
        console.print(f"Wrote [bold]{escape(str(path))}[/]: {escape(exercises()[name].title)}.")
        say("Open it in your editor: it has the formula, names and dimensions; write the function's body. Then:")
    else:
        console.print(f"[bold]{escape(str(path))}[/] exists already and is left unchanged.")
    console.print()
    rows = [
        ("check", "run it, and explain what is wrong"),
        ("hint", "one of three, from a nudge to almost the full line"),
    ]
    rows += [] if is_new else [("reset", "start again from the template; your file is kept")]
    say_commands({command(word, name, folder): what for word, what in rows})


def show_report(report: Report, folder: Path, offer_training: bool = False) -> None:
    """What a check found; of several functions that are wrong the first is explained, since others may follow it."""
    _show_printed(report.printed)
    if report.finding is not None:
        console.print(f"[red]✗[/] [bold]{report.exercise}.py[/]")
        _show_finding(report.finding)
    width = max((len(verdict.call) for verdict in report.verdicts), default=0)
    explained = False
    for verdict in report.verdicts:
        if explained:
            console.print()
        mark = "[green]✓[/]" if verdict.passed else "[red]✗[/]"
        console.print(f"{mark} [bold]{escape(verdict.call):<{width}}[/]  [dim]{_count(verdict)}[/]")
        if verdict.finding is not None and not explained:
            _show_finding(verdict.finding)
            explained = True
        for note in verdict.notes:
            say(f"Note: {note}.", 2, "dim")
    console.print()
    if not report.passed:
        console.print(f"Stuck? [bold]{escape(command('hint', report.exercise, folder))}[/]")
    elif offer_training:
        console.print(f"Passed. Train with it: [bold]{escape(command('train', report.exercise, folder))}[/]")


def _count(verdict: Verdict) -> str:
    if verdict.passed:
        return f"correct in all {verdict.tries} test cases"
    kind = "" if verdict.finding is None else verdict.finding.kind
    if kind in ("empty", "missing", "stopped"):
        return {"empty": "still empty", "missing": "missing", "stopped": "stopped"}[kind]
    return f"correct in {verdict.right} of {verdict.tries} test cases"


def _show_finding(finding: Finding) -> None:
    console.print()
    say(finding.headline, 2)
    if finding.mistake:
        console.print(f"  [bold yellow]Likely mistake: {escape(finding.mistake)}.[/]")
        say(f"{_sentence(finding.advice)}.", 2)
    if finding.details:
        console.print()
        for detail in finding.details:
            say(detail, 4, "dim")


def _sentence(text: str) -> str:
    """A text that begins with a word begins with a capital; one that begins with code or a formula stays."""
    return text[0].upper() + text[1:] if re.match(r"[a-z]{2,}[ ,:]", text) else text


def _show_printed(printed: str) -> None:
    """What the learner's file printed, apart from everything else."""
    lines = printed.splitlines()
    if not lines:
        return
    console.print("[dim]your file printed:[/]")
    for line in lines[:_PRINTED_LINES]:
        console.print(f"[dim]│[/] {escape(line[:120])}")
    if len(lines) > _PRINTED_LINES:
        console.print(f"[dim]│ … {len(lines) - _PRINTED_LINES} more lines[/]")
    console.print()


def show_hints(exercise: Exercise, count: int, folder: Path) -> None:
    """The hints so far, the newest last."""
    for number, text in enumerate(exercise.hints[:count], 1):
        console.print(f"[bold]Hint {number} of 3[/]" if number == count else f"[dim]Hint {number}[/]")
        say(text, 2, "" if number == count else "dim")
    console.print()
    if count < len(exercise.hints):
        console.print(f"[dim]Next hint: {escape(command('hint', exercise.name, folder))}[/]")
    else:
        console.print(f"[dim]The full solution: {escape(command('solution', exercise.name, folder))}[/]")


def show_solution(exercise: Exercise, folder: Path) -> None:
    """The reference as it may stand in the learner's file."""
    from kqv.workshop.template import solution

    text = solution(exercise)
    if console.is_terminal:
        console.print(Syntax(text, "python", background_color="default", word_wrap=True))
    else:
        console.print(text, markup=False, soft_wrap=True, end="")  # code to copy: no line is wrapped


class TrainingLines:
    """A training as lines that come while it runs: one for each epoch, with a bar for the accuracy."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        self.name, self.quiet = name, quiet
        self.epochs = 0

    def heard(self, event: dict[str, Any]) -> None:
        """Show one event of the training."""
        if self.quiet:
            return
        if "sizes" in event:
            self.epochs = event["epochs"]
            console.print("[bold]Now the real training:[/] ", end="")
            console.print(f"{escape(exercises()[self.name].training.part)}.")
            facts = f"network {event['sizes']}, {event['pictures']:,} pictures of {event['data']}"
            console.print(f"[dim]{escape(facts)}[/]\n")
        elif "apart" in event:
            console.print(
                f"  Gradient check: relative error of your differences against kqv's backprop: {event['apart']:.1e}.\n"
            )
        elif "epoch" in event:
            share = event["accuracy"]
            full = round(BAR * share)
            bar = f"[green]{'━' * full}[/][dim]{'─' * (BAR - full)}[/]"
            epoch = f"epoch {event['epoch']:>{len(str(self.epochs))}}"
            console.print(f"  {epoch}  {bar}  {100 * share:5.1f} %  [dim]{event['seconds']:.1f} s[/]")

    def finished(self, trained: Trained, known: Progress, folder: Path) -> None:
        """Show what the network reached, and what comes next."""
        if self.quiet:
            return
        console.print(
            f"\n[bold green]{100 * trained.accuracy:.1f} %[/] of {trained.tested:,} digits that it never saw are "
            f"classified correctly ({trained.right:,}), with your own {self.name}.\n"
        )
        _next(known, folder)
