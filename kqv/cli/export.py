"""`kqv export`: a trained model in another program's format."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from kqv.cli.options import Json, RunName

To = Annotated[str, typer.Option("--to", metavar="NAME", help="The format: hugging-face.")]
Place = Annotated[Path, typer.Argument(metavar="PATH", help="A new folder to write into.")]


def export(run: RunName, path: Place, to: To, as_json: Json = False) -> None:
    """Write a trained GPT in another program's format: for transformers, a folder in Hugging Face's layout."""
    from kqv.cli.console import console
    from kqv.interchange.formats import format_of
    from kqv.training.gpt import load_gpt
    from kqv.training.run import Run

    chosen = format_of(to)
    found = Run.find(run)
    loaded = load_gpt(found)
    files = chosen.write(loaded.model, loaded.tokenizer, path)
    if as_json:
        sys.stdout.write(json.dumps({"run": str(found.path), "format": to, "path": str(path), "files": files}) + "\n")
        return
    console.print(f"{loaded.model.describe()}, in {path}:", markup=False)
    for name in files:
        console.print(f"  {name:<24}{(path / name).stat().st_size:>14,} bytes", markup=False)
    console.print(f"\nTo load it:\n{chosen.snippet(path)}", markup=False, highlight=False, soft_wrap=True)
