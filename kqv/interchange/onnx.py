"""Models in ONNX, which many engines run, also in a browser: one file, and for texts the tokenizer beside it; of a
translator a folder with two."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from kqv.data.parallel.sentences import BEGIN, END, SPECIAL
from kqv.data.text.tokenizers import FILE, Tokenizer
from kqv.errors import Error
from kqv.files.folder import written_file, written_folder
from kqv.interchange import onnx_gpt, onnx_recogniser, onnx_translator
from kqv.interchange.ctranslate2 import Translator
from kqv.interchange.onnx_graph import Graph
from kqv.models.gpt import GPT
from kqv.models.recogniser import Recogniser

SUFFIX = ".onnx"
ENCODER, DECODER = "encoder_model.onnx", "decoder_model.onnx"


def write_gpt(model: GPT, tokenizer: Tokenizer, path: str | Path) -> list[str]:
    """Write a GPT with its key-value cache as a new file, and its tokenizer as tokenizer.json beside it; the names of
    the files.

    The files appear only when all of them are written. Raises `Error` where one is there already (a tokenizer.json that
    is the same is kept), where the disk refuses, for a part that is not written to ONNX, and without the package.
    """
    path = Path(path)
    content = tokenizer.to_json() + "\n"
    there = _is(path.with_name(FILE), content)
    metadata = {
        "context": str(model.context), "vocab": str(model.vocab), "tokenizer": tokenizer.describe(),
        "tokenizer.file": FILE, "begin_of_text": json.dumps(tokenizer.begin_of_text, allow_nan=False),
        "endings": json.dumps(sorted(tokenizer.endings), allow_nan=False),
    }  # fmt: skip
    return _write(path, onnx_gpt.graph_of(model), model.describe(), metadata, {} if there else {FILE: content})


def write_recogniser(model: Recogniser, path: str | Path) -> list[str]:
    """Write a recogniser of pictures as a new file; its name. Raises `Error` as `write_gpt`."""
    metadata = {
        "classes": json.dumps(model.classes, ensure_ascii=False, allow_nan=False),
        "pictures": f"{model.pixels} bytes each, from 0 for the dark ground to 255 for ink",
    }
    return _write(Path(path), onnx_recogniser.graph_of(model), model.describe(), metadata, {})


def write_translator(translator: Translator, folder: str | Path) -> list[str]:
    """Write a translator into a new or empty folder, an encoder and a decoder with its cache, and the tokenizers beside
    them; the names of the files.

    The folder appears only when all of it is written. Raises `Error` as `write_gpt`.
    """
    model, folder = translator.model, Path(folder)
    metadata = {
        "context": str(model.context), "source.tokens": translator.source.describe(),
        "target.tokens": translator.target.describe(),
        "ids": f"{BEGIN} begins a sentence, {END} ends it, {len(SPECIAL)} is the tokenizer's 0",
    }  # fmt: skip
    graphs = {ENCODER: onnx_translator.encoder_of(model), DECODER: onnx_translator.decoder_of(model)}
    write_file, _ = _package()
    with written_folder(folder) as part:
        for name, graph in graphs.items():
            write_file(part / name, graph, model.describe(), metadata)
        for sentences, name in zip((translator.source, translator.target), translator.tokenizers, strict=True):
            sentences.tokenizer.save(part / f"{name}.json")
        return sorted(path.name for path in part.iterdir())


def _package() -> tuple[Callable[..., None], Callable[[Path], str]]:
    """What writes files, and names those with numbers. Raises `Error` without the package."""
    try:
        from kqv.interchange.onnx_file import data_name, write_file
    except ImportError:
        raise Error('--to onnx needs a package more; install it with: pip install "kqv[onnx]"') from None
    return write_file, data_name


def _is(file: Path, content: str) -> bool:
    """Whether a file is there and has this content."""
    try:
        return file.read_text(encoding="utf-8") == content
    except (OSError, ValueError):
        return False


def _write(
    path: Path, graph: Graph, description: str, metadata: Mapping[str, str], beside: Mapping[str, str]
) -> list[str]:
    if path.suffix != SUFFIX:
        raise Error(f"{path} does not end in {SUFFIX}, as files of ONNX do; choose such a name")
    write_file, data_name = _package()
    names = [*beside, data_name(path)]
    with written_file(path, names) as part:
        write_file(part, graph, description, metadata)
        for name, content in beside.items():
            part.with_name(name).write_text(content, encoding="utf-8")
        return [path.name, *(name for name in names if part.with_name(name).exists())]
