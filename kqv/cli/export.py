"""`kqv export`: a trained model in another program's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kqv.cli.json_output import print_json
from kqv.cli.options import Best, Json, ModelName

To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="NAME",
        help="The format: hugging-face or gguf (a GPT), ctranslate2 (a translator), or onnx (one of these, or a network"
        " of digits).",
    ),
]
Type = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="How weights are stored. gguf: f32 (usual), f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0. ctranslate2:"
        " float32 (usual) or int8.",
    ),
]
Position = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A new folder to write into; a new file for gguf, and for onnx unless it is a translator.",
    ),
]


def export(
    model: ModelName, path: Position, to: To, number_type: Type = None, best: Best = False, as_json: Json = False
) -> None:
    """Write a trained model in another program's format: a GPT for transformers or llama.cpp (and what is built on it:
    Ollama, LM Studio), a translator for CTranslate2, each of them and networks of digits for onnxruntime."""
    from kqv.cli.console import console
    from kqv.cli.preparing import TerminalWatcher
    from kqv.cli.progress import described
    from kqv.interchange.chat_template_files import chat_template_of
    from kqv.interchange.formats import Export, format_of
    from kqv.systems.source import find_model
    from kqv.systems.system import system_named

    chosen = format_of(to)
    stored = chosen.type_named(number_type)
    with TerminalWatcher() as watcher:
        source = find_model(model, chosen.system, watcher.downloading)
        writer = chosen.writer_for(source.system, source.name)
        loaded = system_named(source.system).load(source, best)
    template = chat_template_of(source.path) if source.run is None else None
    written = writer.write(Export(loaded, stored, template), path)
    if as_json:
        kind = {"type": stored} if stored else {}
        said = {"files": [file.name for file in written.files], "notes": written.notes}
        print_json({"model": source.name, "format": to, **kind, "path": str(path), **said})
        return
    console.print(f"{described(writer.model(loaded))}, in {written.files[0].parent}:", markup=False)
    for file in written.files:
        console.print(f"  {file.name:<24}{file.stat().st_size:>14,} bytes", markup=False)
    for note in written.notes:
        console.print(f"Note: {note}.", markup=False, highlight=False)
    console.print(f"\nTo load it:\n{writer.usage(loaded, path)}", markup=False, highlight=False, soft_wrap=True)
