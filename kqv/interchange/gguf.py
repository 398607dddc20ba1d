"""Models in GGUF, llama.cpp's format: one file with metadata, tokenizer and tensors, often quantised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import DataError
from kqv.interchange.assembly import assemble, outline_of
from kqv.interchange.gguf_config import config_in
from kqv.interchange.gguf_file import MAGIC, opened
from kqv.interchange.gguf_tensors import TABLE, GGUFTensors, is_tied
from kqv.interchange.gguf_tokenizer import tokenizer_in
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.visible import visible

LONGEST_ERROR = 500  # characters


def is_gguf(path: str | Path) -> bool:
    """Whether a path is a file that begins as GGUF does, or has its suffix (and may be damaged)."""
    path = Path(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC or path.suffix.lower() == ".gguf"
    except (OSError, ValueError):  # what cannot be looked at, and names that cannot be
        return path.suffix.lower() == ".gguf"


def read(path: str | Path) -> tuple[GPT, Tokenizer | None]:
    """The model of a GGUF file of Llama's, Qwen3's or GPT-2's architecture, and its tokenizer where it has one.

    Weights are dequantised to float32; the model is in evaluation mode.
    Raises `DataError` that says what is missing, damaged, of another shape, or not to be had here.
    """
    with _said_visibly():
        config, tensors, tokenizer = _described(Path(path))
        return assemble(config, tensors, tokenizer), tokenizer


def outline(path: str | Path) -> tuple[int, Architecture]:
    """How many tokens such a model knows, and what it is composed of; no weights are read. Raises `DataError`."""
    with _said_visibly():
        return outline_of(*_described(Path(path)))


@contextmanager
def _said_visibly() -> Iterator[None]:
    """Errors may name keys, tokens and tensors, which somebody else has chosen."""
    try:
        yield
    except DataError as failure:
        text = visible(str(failure))
        raise DataError(text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]} …") from None


def _described(path: Path) -> tuple[dict[str, Any], GGUFTensors, Tokenizer | None]:
    file = opened(path)
    table = file.extents.get(TABLE)
    if table is None:
        raise DataError(f"{path} lacks the tensor {TABLE}; is it a whole model, and no vocabulary or adapter alone?")
    try:
        config = config_in(file.metadata, file.extents.keys(), table.shape[0], is_tied(file))
        tokenizer = tokenizer_in(file.metadata)
    except DataError as failure:
        raise DataError(f"{path}: {failure}") from None
    heads = config.get("num_attention_heads", 1)
    tensors = GGUFTensors(file, config["model_type"], heads, config.get("num_key_value_heads") or heads)
    return config, tensors, tokenizer
