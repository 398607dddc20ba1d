"""Models in Hugging Face's layout, a folder with config.json, model.safetensors and tokenizer.json: in and out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kqv.data.text.tokenizers import FILE, Tokenizer
from kqv.files import write_json, write_text
from kqv.files.folder import written_folder
from kqv.interchange import library_tokenizer
from kqv.interchange.assembly import assemble, outline_of
from kqv.interchange.chat_template import ChatTemplate
from kqv.interchange.configs import config_of, family_or_refusal
from kqv.interchange.tensor_files import WHOLE, TensorFiles, read_json
from kqv.interchange.tensor_names import PREFIXES, entries
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.tensors import weights_of, write_tensors

CONFIG, TOKENIZER_CONFIG, CHAT_TEMPLATE = "config.json", "tokenizer_config.json", "chat_template.jinja"
SIGNS = ("model_type", "architectures")  # what a config.json of this layout has, and a run's does not


def is_model(folder: Path) -> bool:
    """Whether a folder has a config.json of this layout."""
    return os.path.isfile(folder / CONFIG) and any(  # noqa: PTH113 - Path.is_file raises for a name that is too long
        sign in read_json(folder / CONFIG) for sign in SIGNS
    )


def read(folder: str | Path) -> tuple[GPT, Tokenizer | None]:
    """A model of GPT-2, Llama or Qwen3, in float32 and in evaluation mode, and its tokenizer where the folder has one.

    Rows of the table of tokens past the tokenizer's last one are padding, and left out.
    Raises `DataError` that says what is missing, damaged, of another shape, or not to be had here.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG)
    tokenizer = library_tokenizer.load(folder)
    return assemble(config, TensorFiles(folder, CONFIG), tokenizer), tokenizer


def outline(folder: str | Path) -> tuple[int, Architecture]:
    """How many tokens such a model knows, and what it is composed of; no weights are read. Raises `DataError`."""
    folder = Path(folder)
    config = read_json(folder / CONFIG)
    return outline_of(config, TensorFiles(folder, CONFIG), library_tokenizer.load(folder))


def write(
    model: GPT, tokenizer: Tokenizer | None, folder: str | Path, template: ChatTemplate | None = None
) -> list[str]:
    """Write a model and its tokenizer, with its chat template where it has one, into a new or empty folder; the names
    of the files.

    The folder appears only when all of it is written. Raises `Error` where it is not empty or the disk refuses, and
    where no family there has the model's parts.
    """
    folder = Path(folder)
    contents = _contents(model, tokenizer)
    if template is not None and tokenizer is not None:
        ends = template.ends_of(tokenizer)
        contents[TOKENIZER_CONFIG] |= {f"{name}_token": tokenizer.token_text(token) for name, token in ends.items()}
    tensors = tensors_of(model)
    with written_folder(folder) as part:
        for name, content in contents.items():
            write_json(part / name, content)
        if tokenizer is not None:
            tokenizer.save(part / FILE)
        if template is not None:
            write_text(part / CHAT_TEMPLATE, template.source)
        write_tensors(part / WHOLE, tensors)
        return sorted(path.name for path in part.iterdir())


def tensors_of(model: GPT) -> dict[str, Tensor]:
    """A model's tensors as Hugging Face's layout has them, by name. Raises `Error` as `write`."""
    family = family_or_refusal(model.architecture, "in Hugging Face's layout")
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
    ends = [] if tokenizer is None else sorted(tokenizer.endings)
    end = next(iter(ends), None) if tokenizer is None or tokenizer.end_of_text is None else tokenizer.end_of_text
    first = end if tokenizer is None or tokenizer.begin_of_text is None else tokenizer.begin_of_text
    contents: dict[str, dict[str, Any]] = {
        CONFIG: config_of(model, end),
        "generation_config.json": {
            "bos_token_id": first, "eos_token_id": ends if len(ends) > 1 else end, "pad_token_id": end,
        },
    }  # fmt: skip
    if tokenizer is not None:
        words = {"bos_token": first, "eos_token": end}
        contents[TOKENIZER_CONFIG] = {
            "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
            "model_max_length": model.context,
        } | {name: tokenizer.token_text(token) for name, token in words.items() if token is not None}  # fmt: skip
    return contents
