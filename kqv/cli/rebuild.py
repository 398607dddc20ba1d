"""`kqv rebuild`: write the mathematics from scratch; it is checked, explained, and trained with."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kqv.cli.json_output import print_json
from kqv.cli.options import Json
from kqv.data.sets import PICTURES, listed
from kqv.errors import DataError, Error

if TYPE_CHECKING:
    from kqv.workshop.progress import Progress
    from kqv.workshop.training import Trained


class Group(TyperGroup):
    """Takes an exercise's name in place of a command: `kqv rebuild backprop` is `kqv rebuild begin backprop`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        from kqv.workshop.catalogue import names

        if args[0] not in self.commands and args[0].removesuffix(".py") in names():
            return "begin", self.commands["begin"], args
        if args[0] not in self.commands and not args[0].startswith("-"):
            near = get_close_matches(args[0], [*names(), *self.commands], 1, 0.5)
            meant = f"did you mean {near[0]}? " if near else ""
            raise Error(f"there is no exercise and no command {args[0]!r}; {meant}`kqv rebuild` lists the exercises")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Group, invoke_without_command=True, subcommand_metavar="NAME | COMMAND [ARGS]...",
    help="Write the mathematics from scratch: exercises that are checked, explained and then trained with.\n\n"
    "kqv rebuild alone lists them with your progress; kqv rebuild NAME starts one.",
)  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="NAME", help="An exercise from the list that `kqv rebuild` shows.")]
Folder = Annotated[Path | None, typer.Option(metavar="DIR", help="The folder with your files; without it, rebuild.")]
Train = Annotated[
    bool, typer.Option("--train/--no-train", help="Whether to train for a few seconds once the file passes.")
]
Data = Annotated[
    str | None, typer.Option(help=f"{listed(PICTURES)}, or a folder of pictures by class; without it, digits8x8.")
]
Epochs = Annotated[int | None, typer.Option(help="How many passes over the training pictures.", min=1, max=1000)]


def _folder(context: typer.Context, given: Path | None) -> Path:
    """The folder that was given before the command or behind it, or the usual one."""
    from kqv.workshop.desk import DEFAULT

    before = context.parent.params.get("folder") if context.parent is not None else None
    return given or before or DEFAULT


@app.callback()
def overview(context: typer.Context, folder: Folder = None, as_json: Json = False) -> None:
    """List the exercises with the learner's progress, unless a command follows."""
    if context.invoked_subcommand is not None:
        return
    from kqv.workshop import progress
    from kqv.workshop.desk import DEFAULT

    where = folder or DEFAULT
    known = progress.read(where)
    if as_json:
        print_json(progress.summary(known, where))
        return
    from kqv.cli.rebuild_display import show_overview

    show_overview(known, where)


@app.command("begin", epilog="Example: kqv rebuild begin backprop")
def begin(context: typer.Context, name: Name, folder: Folder = None) -> None:
    """Write the template of an exercise to rebuild/NAME.py; the word begin may be left out."""
    from kqv.cli.rebuild_display import show_begun
    from kqv.workshop import desk

    where = _folder(context, folder)
    path, is_new = desk.begin(where, name)
    show_begun(path, is_new, path.stem, where)


@app.command("check", epilog="Example: kqv rebuild check backprop")
def check(
    context: typer.Context, name: Name, folder: Folder = None, train: Train = True, as_json: Json = False
) -> None:
    """Run your file in a limited process and explain what is wrong; once it passes, train with it for a few seconds."""
    from kqv.workshop.attempts import as_dict, checked
    from kqv.workshop.catalogue import require

    where, name = _folder(context, folder), require(name)
    report, known = checked(name, where)
    if not as_json:
        from kqv.cli.rebuild_display import show_report

        show_report(report, where, offer_training=not train)
    trained = _trained(name, where, known, None, None, quiet=as_json) if report.passed and train else None
    if as_json:
        print_json(as_dict(report, trained))
    if not report.passed:
        raise typer.Exit(1)


@app.command("hint", epilog="Example: kqv rebuild hint backprop")
def hint(context: typer.Context, name: Name, folder: Folder = None) -> None:
    """Show the next of three hints, from a nudge to almost the full line."""
    from kqv.cli.rebuild_display import show_hints
    from kqv.workshop.attempts import next_hint
    from kqv.workshop.catalogue import exercise

    where, chosen = _folder(context, folder), exercise(name)
    show_hints(chosen, next_hint(chosen.name, where), where)


@app.command("solution", epilog="Example: kqv rebuild solution backprop")
def solution(context: typer.Context, name: Name, folder: Folder = None) -> None:
    """Print the reference solution; your own file is left unchanged."""
    from kqv.cli.rebuild_display import show_solution
    from kqv.workshop.catalogue import exercise

    show_solution(exercise(name), _folder(context, folder))


@app.command("reset", epilog="Example: kqv rebuild reset backprop")
def reset(context: typer.Context, name: Name, folder: Folder = None) -> None:
    """Start again from the template; your file is kept next to it as NAME.old.py."""
    from kqv.cli.console import console
    from kqv.workshop import desk

    path, old = desk.reset(_folder(context, folder), name)
    console.print(f"{path} is the template again" + (f"; your file is kept as {old}" if old else ""), markup=False)


@app.command("train", epilog="Example: kqv rebuild train backprop --data mnist")
def train(
    context: typer.Context, name: Name, folder: Folder = None, data: Data = None, epochs: Epochs = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Train the textbook's network on real digits with your function in it; the file is checked first."""
    from kqv.cli.data import fetch_with_progress
    from kqv.data.registry import SOURCES
    from kqv.workshop.attempts import as_dict, checked
    from kqv.workshop.catalogue import require

    where, name = _folder(context, folder), require(name)
    if data is not None and data.lower() in SOURCES:  # here, since a learner's process has no network
        fetch_with_progress([data])
    report, known = checked(name, where)
    if not report.passed:
        from kqv.cli.rebuild_display import show_report

        if not as_json:
            show_report(report, where)
        else:
            print_json(as_dict(report, None))
        raise typer.Exit(1)
    trained = _trained(name, where, known, data, epochs, quiet=as_json)
    if as_json:
        print_json(as_dict(report, trained))


@app.command("repair", epilog="Example: kqv rebuild repair")
def repair(context: typer.Context, folder: Folder = None) -> None:
    """Set a damaged progress.json aside and check again which of your files pass."""
    from kqv.cli.console import console
    from kqv.cli.rebuild_display import show_overview
    from kqv.workshop import progress
    from kqv.workshop.attempts import checked
    from kqv.workshop.catalogue import names

    where = _folder(context, folder)
    if not where.is_dir():
        raise Error(f"there is no folder {where}; give the one with your files: --folder DIR")
    try:
        show_overview(progress.read(where), where)
        console.print("\nNothing is damaged, so nothing was changed.")
        return
    except DataError:
        old = progress.set_aside(where)
    progress.write(where, progress.Progress())
    for name in names():
        if (where / f"{name}.py").is_file():
            checked(name, where)
    console.print(f"The damaged progress is kept as {old}; your files were checked again.\n", markup=False)
    show_overview(progress.read(where), where)


def _trained(
    name: str, folder: Path, known: Progress, data: str | None, epochs: int | None, quiet: bool
) -> Trained:  # fmt: skip
    """Train with a learner's functions, and show it epoch by epoch."""
    from kqv.cli.rebuild_display import TrainingLines
    from kqv.workshop.attempts import trained

    lines = TrainingLines(name, quiet)
    found = trained(name, folder, known, data, epochs, lines.heard)
    lines.finished(found, known, folder)
    return found
