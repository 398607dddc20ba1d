"""`kqv runs`: what was trained here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Json
from kqv.errors import Error

if TYPE_CHECKING:
    from rich.table import Table


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder whose runs to list.")]

COLUMNS = ("run", "recipe", "data", "steps", "time", "validation", "state")
"""What the table says of a run; on a narrow terminal, beside long names, it does without the data."""


def runs(folder: Folder = Path("runs"), as_json: Json = False) -> None:
    """List the runs, the most recent first: recipe, data, progress, and validation accuracy, BLEU or loss."""
    from kqv.training.described import describe_run
    from kqv.training.run import MAKE_ONE, list_runs

    if folder != Path("runs") and not folder.is_dir():
        raise Error(f"there is no folder {folder}; give a folder with runs, or leave it out for runs/")
    found = [describe_run(run) for run in list_runs(folder)]
    if as_json:
        print_json({"runs": found})
        return
    from kqv.cli.console import console

    if not found:
        console.print(f"There is no run in {folder}; {MAKE_ONE}", markup=False)
        return
    table = _table(found, COLUMNS)
    if not console.fits(table):
        table = _table(found, tuple(title for title in COLUMNS if title != "data"))
    console.print(table)
    for row in found:
        if "problem" in row:
            console.print(f"\n{row['run']}: {row['problem']}", markup=False)
    stopped = next((row for row in found if row["state"] == "stopped"), None)
    if stopped is not None:
        how = f"kqv train {stopped['system']} --resume {stopped['run']}"
        console.print(f"\nTo resume one that stopped: {how}", markup=False)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    """The runs as a table; the names, which other commands want, are never cut."""
    from rich.table import Table

    from kqv.cli.console import shown

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in columns:
        is_name = title in ("recipe", "data")
        justify: Literal["left", "right"] = "right" if title in ("steps", "time", "validation") else "left"
        table.add_column(title, justify=justify, no_wrap=not is_name, overflow="fold" if is_name else "ellipsis")
    for row in rows:
        steps = f"{row['step']:,}" + (f"/{row['steps']:,}" if row["state"] in ("stopped", "training") else "")
        cells = {
            "run": row["run"], "recipe": row.get("recipe", ""), "data": Path(row.get("data", "")).name, "steps": steps,
            "time": _time(row["seconds"]), "validation": _score(row), "state": row["state"],
        }  # fmt: skip
        table.add_row(*(shown(cells[title]) for title in columns))
    return table


def _score(row: dict[str, Any]) -> str:
    """How good the run is on its validation set: accuracy, BLEU or the loss."""
    if "validation_accuracy" in row:
        return f"{100 * row['validation_accuracy']:.2f} %"
    if "validation_bleu" in row:
        return f"BLEU {row['validation_bleu']:.2f}"
    return f"loss {row['validation_loss']:.4f}" if "validation_loss" in row else ""


def _time(seconds: float) -> str:
    """How long, as people say it: 12.3 s, 4:05, 1:02:03."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
