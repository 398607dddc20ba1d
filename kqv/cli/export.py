"""`kqv export`: a trained model in another program's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Json, ModelName

To = Annotated[str, typer.Option("--to", metavar="NAME", help="The format: hugging-face.")]
Position = Annotated[Path, typer.Argument(metavar="PATH", help="A new folder to write into.")]


def export(model: ModelName, path: Position, to: To, as_json: Json = False) -> None:
    """Write a trained GPT in another program's format: for transformers, a folder in Hugging Face's layout."""
    from kqv.cli.console import console
    from kqv.cli.preparing import TerminalWatcher
    from kqv.interchange.formats import format_of
    from kqv.systems.gpt.trained import load_gpt_source
    from kqv.systems.source import find_model

    chosen = format_of(to)
    with TerminalWatcher() as watcher:
        source = find_model(model, "gpt", watcher.downloading)
        loaded = load_gpt_source(source)
    files = chosen.write(loaded.model, loaded.tokenizer, path)
    if as_json:
        print_json({"model": source.name, "format": to, "path": str(path), "files": files})
        return
    console.print(f"{loaded.model.describe()}, in {path}:", markup=False)
    for name in files:
        console.print(f"  {name:<24}{(path / name).stat().st_size:>14,} bytes", markup=False)
    console.print(f"\nTo load it:\n{chosen.snippet(path)}", markup=False, highlight=False, soft_wrap=True)
