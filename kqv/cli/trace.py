"""`kqv trace`: every tensor of one pass, and the arithmetic of any number."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Json, ModelName
from kqv.errors import Error

if TYPE_CHECKING:
    from kqv.systems.system import Traced
    from kqv.trace.trace import Trace
    from kqv.trace.views.attention import AttendedWord

Input = Annotated[
    str | None,
    typer.Argument(
        metavar="INPUT",
        help="Digits: a picture file, or the number of a test picture (default: 0). Adder: 12+34. Others: a text.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        help="The true class of a picture file, or the right translation of a sentence; else what the model says."
    ),
]
Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cell",
        metavar="CELL",
        help="Explain one number: layers.1.z[0,7], scores[0,1,it,pizza], grad:… or update:…; may be repeated.",
    ),
]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a self-contained HTML page.")]
Folder = Annotated[
    Path | None,
    typer.Option("--export", metavar="DIR", help="Write all of it: JSON, with the numbers as safetensors."),
]
Word = Annotated[
    str | None, typer.Option(help="Show what a word of the text attends to, by block and head; of several it#1, it#2.")
]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="With --word: draw its attention maps into a PNG, SVG or PDF.")
]
All = Annotated[bool, typer.Option("--all", help="Show every block of a Transformer, not the first alone.")]
Like = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Encoder: go back from how alike INPUT is to another text.")
]
Training = Annotated[bool, typer.Option("--training", help="Trace in training mode, with its dropout masks.")]


def trace(
    model: ModelName, input: Input = None, label: Label = None, cell: Cells = None, html: Html = None,
    export: Folder = None, word: Word = None, plot: Plot = None, like: Like = None, training: Training = False,
    all_blocks: All = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Show every tensor of a pass, forward, backward and update, with its dimensions, formula and line of code."""
    from kqv.cli.console import console
    from kqv.cli.preparing import TerminalWatcher
    from kqv.systems.source import find_model
    from kqv.systems.system import TraceAsked, kind_named

    if plot is not None:
        require_word(word, plot)
    with TerminalWatcher() as watcher:
        source = find_model(model, progress=watcher.downloading)
        kind = kind_named(source.system)
        if like is not None and not kind.compares:
            raise Error(f"--like compares two texts, which an encoder does; {source.name} is a {kind.name} model")
        asked = TraceAsked(input, label, training, like)
        if html is None and export is None:
            asked = replace(asked, backward=word is None or bool(cell), cells=() if word else tuple(cell or ()))
        traced = kind.trace(source, asked, watcher)
    recorded = traced.trace
    compared = [] if like is None else ["--like", like]
    command = shlex.join(["kqv", "trace", source.name, *([] if input is None else [input]), *compared])
    write_files(traced, html, export, command, word)
    if as_json:
        print_json({"model": source.name, "input": traced.input} | as_dict(recorded, cell or [], word, plot))
        return
    if word is not None:
        show_word(recorded, word, plot)
    for text in cell or []:
        console.print(recorded.cell(text).text(console.width), markup=False)
    if not (cell or word or html is not None or export is not None):
        show_all(traced, command, is_own_input=input is None, all_blocks=all_blocks)


def require_word(word: str | None, plot: Path) -> None:
    """Raise `Error` before anything is traced where no map could be drawn."""
    from kqv.plots.figures import check_ending

    if word is None:
        raise Error("--plot draws what a word attends to; say which word, as in --word it")
    check_ending(plot)


def as_dict(trace: Trace, cells: list[str], word: str | None, plot: Path | None) -> dict[str, Any]:
    """What was asked for, and a word's attention as a figure where that is wanted."""
    from kqv.trace.views.asked import asked_of
    from kqv.trace.views.attention import attended

    if word is not None and plot is not None:
        draw_word(attended(trace, word), plot)
    return asked_of(trace, cells, word)


def write_files(traced: Traced, html: Path | None, export: Path | None, command: str, word: str | None) -> None:
    """The trace as a page and as JSON, where these are asked for; says what it wrote."""
    from kqv.cli.console import notices

    if html is not None:
        from kqv.trace.views.page import write_html

        write_html(traced.trace, html, command=command, word=word, everything=traced.everything)
        notices.print(f"wrote {html}", markup=False)
    if export is not None:
        from kqv.trace.views.export import write_json

        write_json(traced.trace, export)
        notices.print(f"wrote {export}", markup=False)


def show_all(traced: Traced, command: str, is_own_input: bool, all_blocks: bool) -> None:
    """What was traced and the table of its tensors; `is_own_input` where none was given."""
    from kqv.cli.console import console
    from kqv.cli.drawing import drawn

    folds = traced.folds and not all_blocks
    heading = traced.heading if traced.picture is None else f"{traced.heading}\n{drawn(traced.picture)}"
    if is_own_input and traced.picture is None:
        heading = f"{traced.own_input}, {traced.input!r}: {heading}"
    parts = [heading, traced.trace.table(console.width, fold=folds) + ("\n" if traced.folds else "")]
    for part in reversed(parts) if traced.folds else parts:  # what is said of a text stands after its long table
        console.print(part, markup=False)
    console.print(f"\nany number: {command} {traced.example}", markup=False)
    if folds:
        console.print(f"all blocks: {command} --all", markup=False)


def draw_word(found: AttendedWord, plot: Path) -> None:
    """A word's attention maps as a figure."""
    from kqv.cli.console import notices
    from kqv.plots.attention import plot_attention

    plot_attention(found, plot)
    notices.print(f"figure written to {plot}", markup=False)


def show_word(trace: Trace, word: str, plot: Path | None) -> None:
    """What a word attends to as a table, and its attention maps as a figure."""
    from kqv.cli.console import console
    from kqv.trace.views.attention import attended

    found = attended(trace, word)
    console.print(found.text(console.width), markup=False)
    if plot is not None:
        draw_word(found, plot)
