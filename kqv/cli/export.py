"""`kqv export`: a trained model in another program's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Best, Json, ModelName

To = Annotated[
    str, typer.Option("--to", metavar="NAME", help="The format: hugging-face (a GPT) or ctranslate2 (a translator).")
]
Type = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="How ctranslate2 stores weights: float32 (usual) or int8.")
]
Position = Annotated[Path, typer.Argument(metavar="PATH", help="A new folder to write into.")]


def export(
    model: ModelName, path: Position, to: To, number_type: Type = None, best: Best = False, as_json: Json = False
) -> None:
    """Write a trained model in another program's format: a GPT for transformers, a translator for CTranslate2."""
    from kqv.cli.console import console
    from kqv.cli.preparing import TerminalWatcher
    from kqv.cli.progress import described
    from kqv.interchange.formats import format_of
    from kqv.systems.source import find_model
    from kqv.systems.system import system_named

    chosen = format_of(to)
    stored = chosen.type_named(number_type)
    with TerminalWatcher() as watcher:
        source = find_model(model, chosen.system, watcher.downloading)
        loaded = system_named(chosen.system).load(source, best)
    files = chosen.write(loaded, path, stored)
    if as_json:
        kind = {"type": stored} if stored else {}
        print_json({"model": source.name, "format": to, **kind, "path": str(path), "files": files})
        return
    console.print(f"{described(loaded.model)}, in {path}:", markup=False)
    for name in files:
        console.print(f"  {name:<24}{(path / name).stat().st_size:>14,} bytes", markup=False)
    console.print(f"\nTo load it:\n{chosen.usage(loaded, path)}", markup=False, highlight=False, soft_wrap=True)
