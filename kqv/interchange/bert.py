"""Encoders of BERT's family in Hugging Face's layout: a folder with config.json, model.safetensors, tokenizer.json."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from kqv.data.text.codec import FILE
from kqv.data.text.word_pieces import WordPieces
from kqv.errors import DataError
from kqv.files import reason
from kqv.files.reading import read_text
from kqv.interchange.assembly import check_blocks, read_tensors, said_of
from kqv.interchange.config_fields import refuse_unknown
from kqv.interchange.configs import ACTIVATIONS, number, whole_number
from kqv.interchange.tensor_files import TensorFiles, read_json
from kqv.models.architecture import Architecture
from kqv.models.bert import BERT
from kqv.models.families import BERT as FAMILY

CONFIG = "config.json"
FEED_FORWARD = {**ACTIVATIONS, "relu": "relu"}
"""Activations by their names there."""


def is_encoder(folder: Path) -> bool:
    """Whether a folder's config.json speaks of a model of BERT's family."""
    if not os.path.isfile(folder / CONFIG):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        return False
    config = read_json(folder / CONFIG)
    architectures = config.get("architectures")
    named = isinstance(architectures, list) and any(str(name).startswith("Bert") for name in architectures)
    return bool(config.get("model_type", FAMILY.name if named else None) == FAMILY.name)


def read(folder: str | Path) -> tuple[BERT, WordPieces]:
    """An encoder in float32 and in evaluation mode, and its tokenizer; heads for masked tokens or classes are left out.

    Raises `DataError` that says what is missing, damaged, of another shape, or not to be had here.
    """
    folder = Path(folder)
    source = TensorFiles(folder, CONFIG)
    vocab, types, architecture = _described(source, folder)
    with said_of(source), torch.device("meta"):  # no memory and no random numbers for weights that are replaced
        model = BERT(vocab, architecture, types)
    tokenizer = read_tokenizer(folder)
    if tokenizer.size > vocab:
        raise DataError(
            f"{folder}: the tokenizer has {tokenizer.size:,} tokens, but the model only {vocab:,}; they are of "
            "different models"
        )
    model.load_state_dict(read_tensors(source, FAMILY.name, model), assign=True)
    return model.eval(), tokenizer


def outline(folder: str | Path) -> tuple[int, int, Architecture]:
    """How many tokens and types such a model knows, and what it is composed of; no weights are read. Raises `Error` as
    `read`."""
    return _described(TensorFiles(Path(folder), CONFIG), Path(folder))


def _described(source: TensorFiles, folder: Path) -> tuple[int, int, Architecture]:
    with said_of(source):
        vocab, types, architecture = architecture_in(read_json(folder / CONFIG))
    check_blocks(architecture.blocks, source)
    return vocab, types, architecture


def architecture_in(config: Mapping[str, Any]) -> tuple[int, int, Architecture]:
    """How many tokens and token types the model knows, and what it is composed of.

    Raises `DataError` for what is missing, not to be had here, or not known; `Error` for sizes that make no model.
    """
    refuse_unknown(config, FAMILY.name)
    activation = config.get("hidden_act", "gelu")
    if activation not in FEED_FORWARD:
        raise DataError(f"hidden_act {activation!r} is not supported; supported are: {', '.join(FEED_FORWARD)}")
    architecture = Architecture(**{
        **FAMILY.parts,
        "context": whole_number(config, "max_position_embeddings"),
        "width": whole_number(config, "hidden_size"),
        "heads": whole_number(config, "num_attention_heads"),
        "blocks": whole_number(config, "num_hidden_layers"),
        "hidden": whole_number(config, "intermediate_size"),
        "feed_forward": FEED_FORWARD[activation],
        "epsilon": number(config, "layer_norm_eps", 1e-12),
    })  # fmt: skip
    return whole_number(config, "vocab_size"), whole_number(config, "type_vocab_size"), architecture


def read_tokenizer(folder: Path) -> WordPieces:
    """The tokenizer of a folder; `DataError` where it is missing, damaged or of another kind."""
    file = folder / FILE
    try:
        return WordPieces(read_text(file))
    except FileNotFoundError:
        raise DataError(
            f"{file} is missing; transformers writes it: AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        ) from None
    except OSError as failure:
        raise DataError(f"{file} cannot be read: {reason(failure)}") from None
    except DataError as failure:
        raise DataError(f"{file}: {failure}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{file} is damaged: it is not a tokenizer in the format of `tokenizers`") from None
