"""Models in Hugging Face's layout, a folder with config.json, model.safetensors and tokenizer.json: in and out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kqv.data.text.tokenizers import FILE, Tokenizer
from kqv.errors import DataError, Error
from kqv.files import make_folder, reason, write_json
from kqv.interchange import library_tokenizer
from kqv.interchange.configs import config_of, family_in, form_in
from kqv.interchange.tensor_files import WHOLE, TensorFiles, read_json
from kqv.interchange.tensor_names import PASSED_OVER, PREFIXES, Entry, entries
from kqv.models.families import family_of
from kqv.models.gpt import GPT
from kqv.tensors import all_finite, weights_of, write_tensors

CONFIG = "config.json"
SIGNS = ("model_type", "architectures")  # what a config.json of this layout has, and a run's does not


def is_model(folder: Path) -> bool:
    """Whether a folder has a config.json of this layout."""
    return (folder / CONFIG).is_file() and any(sign in read_json(folder / CONFIG) for sign in SIGNS)


def read(folder: str | Path) -> tuple[GPT, Tokenizer | None]:
    """A model of GPT-2, Llama or Qwen3, in float32 and in evaluation mode, and its tokenizer where the folder has one.

    Rows of the table of tokens past the tokenizer's last one are padding, and left out.
    Raises `DataError` that says what is missing, damaged, of another shape, or not to be had here.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG)
    try:
        family = family_in(config).name
        vocab, parts = form_in(config)
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
            model = GPT(vocab, **parts)
    except DataError as failure:
        raise DataError(f"{folder / CONFIG}: {failure}") from None
    except (Error, TypeError, ValueError, AttributeError) as failure:  # sizes of a model that cannot be, a wrong type
        raise DataError(f"{folder / CONFIG} is damaged: {failure}") from None
    tokenizer = library_tokenizer.load(folder)
    tensors = _read_tensors(folder, family, model)
    if tokenizer is not None and tokenizer.size != vocab:
        tensors = _without_padding(tensors, vocab, tokenizer.size, folder)
        with torch.device("meta"):
            model = GPT(tokenizer.size, **parts)
    model.load_state_dict(tensors, assign=True)
    return model.eval(), tokenizer


def _read_tensors(folder: Path, family: str, model: GPT) -> dict[str, Tensor]:
    """Our tensors by name, each put together from theirs."""
    files = TensorFiles(folder)
    stored = {name.removeprefix(PREFIXES[family]): name for name in files.file_of if not name.endswith(PASSED_OVER)}
    wanted = list(entries(family, model))
    used = {name for entry in wanted for name in entry.theirs}
    for name in sorted(used - stored.keys()):
        raise DataError(f"{folder} lacks the tensor {name}, which its {CONFIG} speaks of; fetch it again")
    if model.unembedding is None:
        stored.pop("lm_head.weight", None)  # a copy of the table
    for name in sorted(stored.keys() - used):
        raise DataError(f"{folder} has a tensor {name}, which its {CONFIG} does not speak of; it is of another model")
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    return {entry.ours: _joined(entry, files, stored, shapes[entry.ours]) for entry in wanted}


def _joined(entry: Entry, files: TensorFiles, stored: Mapping[str, str], shape: tuple[int, ...]) -> Tensor:
    """One tensor of ours; `DataError` where one of theirs has another shape, or numbers that are none."""
    parts = []
    for name, rows in zip(entry.theirs, entry.rows, strict=True):
        tensor, expected = files.read(stored[name]), (rows, *shape[1:])
        expected = expected[::-1] if entry.turned else expected
        if tensor.shape != expected:
            raise DataError(
                f"{files.folder}: {stored[name]} has shape {list(tensor.shape)}, but its {CONFIG} asks for "
                f"{list(expected)}; they are of different models"
            )
        if not all_finite({name: tensor}):
            raise DataError(
                f"{files.folder}: {stored[name]} has numbers that are infinite or none at all; fetch it again"
            )
        parts.append(tensor.T if entry.turned else tensor)
    return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts)


def _without_padding(tensors: dict[str, Tensor], vocab: int, size: int, folder: Path) -> dict[str, Tensor]:
    """The tensors with as many rows for tokens as the tokenizer has."""
    if size > vocab:
        raise DataError(
            f"{folder}: the tokenizer has {size:,} tokens, but the model only {vocab:,}; they are of different models"
        )
    tables = ("tokens.weight", "unembedding.weight")
    return {name: tensor[:size].clone() if name in tables else tensor for name, tensor in tensors.items()}


def write(model: GPT, tokenizer: Tokenizer | None, folder: str | Path) -> list[str]:
    """Write a model and its tokenizer into a new or empty folder; the names of the files.

    The folder appears only when all of it is written. Raises `Error` where it is not empty or the disk refuses, and
    where no family there has the model's parts.
    """
    folder = Path(folder)
    contents = _contents(model, tokenizer)
    tensors = tensors_of(model)
    if os.path.lexists(folder) and not folder.is_dir():
        raise Error(f"{folder} is a file; choose the name of a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise Error(f"{folder} is not empty; choose a new folder")
    make_folder(folder.parent)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        for name, content in contents.items():
            write_json(part / name, content)
        if tokenizer is not None:
            tokenizer.save(part / FILE)
        write_tensors(part / WHOLE, tensors)
        if folder.is_dir():
            folder.rmdir()
        names = sorted(path.name for path in part.iterdir())
        part.replace(folder)
    except OSError as failure:
        raise Error(f"cannot write {folder}: {reason(failure)}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return names


def tensors_of(model: GPT) -> dict[str, Tensor]:
    """A model's tensors as Hugging Face's layout has them, by name. Raises `Error` as `write`."""
    family = family_of(model)
    if family is None:
        config_of(model, None)  # says which part is not to be had there
        raise AssertionError("a model of no family has a part that none of them has")
    own, prefix = weights_of(model), PREFIXES[family.name]
    found: dict[str, Tensor] = {}
    for entry in entries(family.name, model):
        # GPT-2 always has biases there: where ours has none they are zero
        joined = own[entry.ours] if entry.ours_exists else torch.zeros(sum(entry.rows))
        for name, tensor in zip(entry.theirs, torch.split(joined, list(entry.rows)), strict=True):
            full = name if name.startswith("lm_head") else prefix + name
            found[full] = tensor.T if entry.turned else tensor
    return {name: tensor.to(torch.float32) for name, tensor in found.items()}


def _contents(model: GPT, tokenizer: Tokenizer | None) -> dict[str, dict[str, Any]]:
    """The JSON files by name."""
    end = None if tokenizer is None else tokenizer.end_of_text
    contents: dict[str, dict[str, Any]] = {
        CONFIG: config_of(model, end),
        "generation_config.json": {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end},
    }
    if tokenizer is not None:
        words = {} if end is None else dict.fromkeys(("bos_token", "eos_token"), tokenizer.token_text(end))
        contents["tokenizer_config.json"] = {
            "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
            "model_max_length": model.context,
        } | words  # fmt: skip
    return contents
