"""Models in GGUF, llama.cpp's format: one file with metadata, tokenizer and tensors, often quantised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import DataError, Error
from kqv.files.folder import written_file
from kqv.interchange import gguf_vocabulary
from kqv.interchange.assembly import assemble, outline_of
from kqv.interchange.chat_template import ChatTemplate
from kqv.interchange.configs import config_of, family_or_refusal
from kqv.interchange.gguf_config import config_in, metadata_of
from kqv.interchange.gguf_file import MAGIC, opened
from kqv.interchange.gguf_tensors import HEAD, TABLE, GGUFTensors, is_tied, stored
from kqv.interchange.gguf_tokenizer import tokenizer_in
from kqv.interchange.gguf_writing import TYPES, write_file
from kqv.interchange.hugging_face import tensors_of
from kqv.models.architecture import Architecture
from kqv.models.families import QWEN3
from kqv.models.gpt import GPT
from kqv.visible import visible

__all__ = ["TYPES", "is_gguf", "outline", "read", "write"]

LONGEST_ERROR = 500  # characters
TEMPLATE = "tokenizer.chat_template"  # the key of a chat template
ROUNDED_TO = 256  # tokens: llama.cpp's contexts are multiples of it


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


def write(
    model: GPT, tokenizer: Tokenizer | None, path: str | Path, number_type: str = "f32",
    template: ChatTemplate | None = None,
) -> list[str]:  # fmt: skip
    """Write a model and its tokenizer as a new file for llama.cpp, its matrices as a type of `TYPES`, with its chat
    template where it has one; what has to be said of it, in sentences.

    The file appears only when all of it is written. Raises `Error` where there is one already or the disk refuses, and
    for parts of a model or a tokenizer that llama.cpp does not have.
    """
    path = Path(path)
    architecture = _computed(model)
    spare = gguf_vocabulary.spare_tokens(tokenizer)
    config = config_of(model, None) | {"vocab_size": model.vocab + spare}
    metadata = {
        "general.type": "model", "general.name": path.stem, "general.description": model.describe(),
        **metadata_of(config), **gguf_vocabulary.metadata_of(tokenizer), **_of_template(template, tokenizer),
    }  # fmt: skip
    tensors = stored(architecture, tensors_of(model), model.heads)
    for table in {TABLE, HEAD} & tensors.keys():
        tensors[table] = _with_means(tensors[table], spare)
    with written_file(path) as part:
        notes = write_file(part, architecture, metadata, tensors, number_type)
    return [*_notes_on(model), *gguf_vocabulary.notes_on(tokenizer), *notes]


def _of_template(template: ChatTemplate | None, tokenizer: Tokenizer | None) -> dict[str, Any]:
    """The metadata of a chat template, with the tokens that begin and end a text as it knows them."""
    if template is None or tokenizer is None:
        return {}
    ends = {f"tokenizer.ggml.{name}_token_id": token for name, token in template.ends_of(tokenizer).items()}
    return {TEMPLATE: template.source, **ends}


def _computed(model: GPT) -> str:
    """The name of the model's family. Raises `Error` that names what llama.cpp does not compute."""
    chosen = model.architecture
    family = family_or_refusal(chosen, "that llama.cpp computes")
    if family is QWEN3 and chosen.attention_bias:
        raise Error(
            "llama.cpp's Qwen3 has no biases in its attention, and this model has; train it without, or of llama's"
            " architecture"
        )
    return family.name


def _with_means(table: Tensor, rows: int) -> Tensor:
    """A table with so many rows more, each the mean of all.

    Their logits are the mean of all logits, so none of such tokens is ever the likeliest, and each has the geometric
    mean of the others' probabilities: at most 1/vocab, and in a trained model next to nothing.
    """
    return torch.cat([table, table.mean(0, keepdim=True).expand(rows, -1)]) if rows else table


def _notes_on(model: GPT) -> list[str]:
    chosen = model.architecture
    found = []
    if chosen.feed_forward == "gelu":
        found.append(
            "llama.cpp computes GELU by its approximation with tanh, and this model by the normal distribution: what"
            " comes out of it differs by up to 0.0005"
        )
    if chosen.positions == "learned" and chosen.context % ROUNDED_TO:
        found.append(
            f"prompt and answer have to stay within the context of {chosen.context} tokens: llama.cpp rounds -c up to"
            f" {ROUNDED_TO}, and ends with an error at a position that it has no vector for"
        )
    return found


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
