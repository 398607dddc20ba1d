"""`kqv mcp`: trace, cell, why, comparisons and runs as tools for an agent (Model Context Protocol)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]…", help="Further models beside the runs: folders, GGUF files, names: smollm2."),
]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="The folder whose runs can be asked about.")]


def mcp(models: Models = None, runs: Runs = Path("runs")) -> None:
    """Let an agent ask for traces, numbers, reasons, comparisons and runs, over standard input and output.

    It can reach the runs of one folder, the models given here, and files of the current folder; it changes nothing.
    """
    from kqv.agent.reach import of_words
    from kqv.agent.server import serve

    serve(of_words(runs, models or []))
