"""A model put together from a config in Hugging Face's words and tensors by Hugging Face's names, wherever they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import DataError, Error
from kqv.interchange.configs import architecture_in, family_in
from kqv.interchange.tensor_names import HEAD, MODULES, PREFIXES, Entry, entries, stored_names
from kqv.models.architecture import Architecture
from kqv.models.bert import BERT
from kqv.models.gpt import GPT
from kqv.tensors import all_finite


class Source(Protocol):
    """Where tensors are read from; its own words for errors."""

    @property
    def origin(self) -> str:
        """The folder or file."""

    @property
    def description(self) -> str:
        """What describes the model there, such as config.json."""

    @property
    def described_in(self) -> str:
        """The file that has the description."""

    def names(self) -> Collection[str]:
        """The names of all tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, known without reading it."""

    def read(self, name: str) -> Tensor:
        """A tensor in float32."""


def assemble(config: Mapping[str, Any], source: Source, tokenizer: Tokenizer | None) -> GPT:
    """The model of a config with a source's weights, in float32 and in evaluation mode.

    Rows of the table of tokens past the tokenizer's last one are padding, and left out.
    Raises `DataError` that says what is missing, damaged, of another shape, or not to be had here.
    """
    family, vocab, architecture = _outline(config, source)
    with said_of(source):
        model = _without_numbers(vocab, architecture)
    tensors = read_tensors(source, family, model)
    if tokenizer is not None and tokenizer.size != vocab:
        tensors = _without_padding(tensors, vocab, tokenizer.size, source)
        model = _without_numbers(tokenizer.size, architecture)
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def outline_of(config: Mapping[str, Any], source: Source, tokenizer: Tokenizer | None) -> tuple[int, Architecture]:
    """How many tokens a model knows, and what it is composed of, without its weights. Raises `DataError`."""
    _, vocab, architecture = _outline(config, source)
    return (vocab if tokenizer is None else tokenizer.size), architecture


def _outline(config: Mapping[str, Any], source: Source) -> tuple[str, int, Architecture]:
    """The name of its family, the rows of its table of tokens, and what it is composed of; weights are read only where
    two have to be compared. Raises `DataError` as `assemble`."""
    with said_of(source):
        family = family_in(config).name
        vocab, architecture = architecture_in(config)
    check_blocks(architecture.blocks, source)
    if architecture.tied and _has_own_head(source, family):
        architecture = replace(architecture, tied=False)
    return family, vocab, architecture


@contextmanager
def said_of(source: Source) -> Iterator[None]:
    """Say in every error which file describes the model."""
    try:
        yield
    except DataError as failure:
        raise DataError(f"{source.described_in}: {failure}") from None
    except (Error, TypeError, ValueError, AttributeError, RuntimeError) as failure:  # sizes that cannot be, wrong types
        raise DataError(f"{source.described_in} is damaged: {failure}") from None


def check_blocks(blocks: int, source: Source) -> None:
    """Raise `DataError` for more blocks than there are tensors, before so many are made."""
    if blocks > len(source.names()):
        raise DataError(
            f"{source.origin}: {source.description} speaks of {blocks:,} blocks, but there are only"
            f" {len(source.names()):,} tensors; they are of different models"
        )


def _has_own_head(source: Source, family: str) -> bool:
    """Whether there is a head that is no copy of the table of tokens, although the config ties them.

    Such a model was trained with a head of its own, and `transformers` does not tie it either.
    """
    names = {name.removeprefix(PREFIXES[family]): name for name in source.names()}
    head, table = names.get(HEAD), names.get(f"{MODULES[family]['tokens'][0]}.weight")
    return head is not None and table is not None and not torch.equal(source.read(head), source.read(table))


def _without_numbers(vocab: int, architecture: Architecture) -> GPT:
    """A model that takes no memory and no random numbers for weights that are replaced."""
    with torch.device("meta"):
        return GPT(vocab, architecture)


def read_tensors(source: Source, family: str, model: GPT | BERT) -> dict[str, Tensor]:
    """Our tensors by name, each put together from theirs.

    Raises `DataError` for one that is missing, not spoken of, of another shape, or has numbers that are none.
    """
    stored = stored_names(family, source.names())
    wanted = list(entries(family, model))
    used = {name for entry in wanted for name in entry.theirs}
    for name in sorted(used - stored.keys()):
        raise DataError(
            f"{source.origin} lacks the tensor {name}, which its {source.description} speaks of; fetch it again"
        )
    if "unembedding.weight" not in model.state_dict():
        stored.pop(HEAD, None)  # a copy of the table
    for name in sorted(stored.keys() - used):
        raise DataError(
            f"{source.origin} has a tensor {name}, which its {source.description} does not speak of;"
            " it is of another model"
        )
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    for entry in wanted:
        _check_shapes(entry, source, stored, shapes[entry.ours])
    return {entry.ours: _joined(entry, source, stored) for entry in wanted}


def _check_shapes(entry: Entry, source: Source, stored: Mapping[str, str], shape: tuple[int, ...]) -> None:
    """Raise `DataError` where one of theirs has another shape than ours is joined of."""
    for name, rows in zip(entry.theirs, entry.rows, strict=True):
        found, expected = source.shape(stored[name]), (rows, *shape[1:])
        expected = expected[::-1] if entry.turned else expected
        if found != expected:
            raise DataError(
                f"{source.origin}: {stored[name]} has shape {list(found)}, but its {source.description} asks for "
                f"{list(expected)}; they are of different models"
            )


def _joined(entry: Entry, source: Source, stored: Mapping[str, str]) -> Tensor:
    """One tensor of ours; `DataError` where one of theirs has numbers that are none."""
    parts = []
    for name in entry.theirs:
        tensor = source.read(stored[name])
        if not all_finite({name: tensor}):
            raise DataError(
                f"{source.origin}: {stored[name]} has numbers that are infinite or none at all; fetch it again"
            )
        parts.append(tensor.T if entry.turned else tensor)
    return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts)


def _without_padding(tensors: dict[str, Tensor], vocab: int, size: int, source: Source) -> dict[str, Tensor]:
    """The tensors with as many rows for tokens as the tokenizer has."""
    if size > vocab:
        raise DataError(
            f"{source.origin}: the tokenizer has {size:,} tokens, but the model only {vocab:,};"
            " they are of different models"
        )
    tables = ("tokens.weight", "unembedding.weight")
    return {name: tensor[:size].clone() if name in tables else tensor for name, tensor in tensors.items()}
