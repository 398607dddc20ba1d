"""`kqv runs`: what was trained here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kqv.cli.options import Json
from kqv.errors import RunError

if TYPE_CHECKING:
    from kqv.training.run import Run

Folder = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="The folder whose runs to list.")]


def runs(folder: Folder = Path("runs"), as_json: Json = False) -> None:
    """List the runs, newest first: recipe, data, how far they came, and their validation accuracy."""
    from kqv.training.run import list_runs

    found = [_describe(run) for run in list_runs(folder)]
    if as_json:
        sys.stdout.write(json.dumps({"runs": found}, ensure_ascii=False) + "\n")
        return
    from rich.table import Table

    from kqv.cli.console import console

    if not found:
        console.print(f"There is no run in {folder}. Make one: [bold]kqv train digits[/]")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("run", "recipe", "data"):
        table.add_column(title)
    for title in ("steps", "seconds", "loss", "accuracy"):
        table.add_column(title, justify="right")
    table.add_column("state")
    for row in found:
        accuracy = row.get("validation_accuracy")
        loss = row.get("validation_loss")
        table.add_row(
            row["run"], row.get("recipe", ""), row.get("data", ""), f"{row.get('step', 0):,}", f"{row.get('seconds', 0):.1f}",
            "" if loss is None else f"{loss:.4f}", "" if accuracy is None else f"{100 * accuracy:.2f} %", row["state"],
        )  # fmt: skip
    console.print(table)


def _describe(run: Run) -> dict[str, Any]:
    """One run as a row; a damaged run says what is wrong with it instead of hiding the others."""
    try:
        recipe = run.recipe
        row: dict[str, Any] = {"run": str(run.path), "recipe": recipe.name, "data": recipe.data.name}
    except RunError as failure:
        return {"run": str(run.path), "state": f"damaged: {failure}"}
    for line in run.metrics():
        row |= {key: value for key, value in line.items() if key in ("step", "seconds", "validation_loss", "validation_accuracy")}
    done, steps = row.get("step", 0), recipe.training.steps or 0
    row["state"] = "finished" if done >= steps else f"stopped at {done:,} of {steps:,}; go on: --resume {run.path}"
    return row
