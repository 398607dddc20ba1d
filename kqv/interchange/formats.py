"""What a model can be exported to, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kqv.data.text.codec import Tokenizer
from kqv.errors import DataError, Error
from kqv.interchange import ctranslate2, gguf, hugging_face


@dataclass(frozen=True)
class Written:
    """The files of an export, and what has to be said of it, in sentences."""

    files: list[Path]
    notes: list[str] = field(default_factory=list)


def _in_folder(folder: Path, names: list[str]) -> Written:
    return Written([folder / name for name in names])


@dataclass(frozen=True)
class Format:
    """A format that models of one `system` can be written in.

    `write(loaded, path, type)` says what it wrote; `loaded` is what the system loads. `usage(loaded, path)`: how others
    load it, in their language. `types`: how numbers can be stored, the usual one first; none where there
    is nothing to choose.
    """

    system: str
    write: Callable[[Any, Path, str], Written]
    usage: Callable[[Any, Path], str]
    types: tuple[str, ...] = ()

    def type_named(self, name: str | None) -> str:
        """A type by name, the usual one without; `Error` that lists the names for one that does not exist."""
        if name is None:
            return self.types[0] if self.types else ""
        if not self.types:
            raise Error(f"this format has no types to choose from, but got --type {name}; leave it out")
        if name not in self.types:
            raise Error(f"this format has no type {name!r}; choose one of: {', '.join(self.types)}")
        return name


def _to_hugging_face(loaded: Any, path: Path, number_type: str) -> Written:
    return _in_folder(path, hugging_face.write(loaded.model, loaded.tokenizer, path))


def _with_transformers(loaded: Any, path: Path) -> str:
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"model, tokenizer = (c.from_pretrained({str(path)!r}) for c in (AutoModelForCausalLM, AutoTokenizer))"
    )


def _translator(loaded: Any) -> ctranslate2.Translator:
    vocabularies, search = loaded.vocabularies, loaded.recipe.search
    return ctranslate2.Translator(
        loaded.model, vocabularies.source, vocabularies.target, search.beams, search.length_penalty
    )


def _to_gguf(loaded: Any, path: Path, number_type: str) -> Written:
    return Written([path], gguf.write(loaded.model, loaded.tokenizer, path, number_type))


def _with_llama_cpp(loaded: Any, path: Path) -> str:
    context = loaded.model.context
    return (
        "from llama_cpp import Llama\n"
        f"model = Llama({str(path)!r}, n_ctx={context}, verbose=False)\n"
        f"print(model({_prompt(loaded.tokenizer)!r}, max_tokens={min(40, context // 2)})['choices'][0]['text'])"
    )


def _prompt(tokenizer: Tokenizer) -> str:
    """A text to begin with, which the tokenizer knows."""
    try:
        tokenizer.encode("The")
    except DataError:
        return tokenizer.decode([tokenizer.size - 1])
    return "The"


def _to_ctranslate2(loaded: Any, path: Path, number_type: str) -> Written:
    return _in_folder(path, ctranslate2.write(_translator(loaded), path, number_type))


def _with_ctranslate2(loaded: Any, path: Path) -> str:
    return ctranslate2.usage(_translator(loaded), path)


FORMATS = {
    "hugging-face": Format("gpt", _to_hugging_face, _with_transformers),
    "gguf": Format("gpt", _to_gguf, _with_llama_cpp, tuple(gguf.TYPES)),
    "ctranslate2": Format("translate", _to_ctranslate2, _with_ctranslate2, ctranslate2.TYPES),
}
"""All formats by name."""


def format_of(name: str) -> Format:
    """A format by name; `Error` that lists the names for one that does not exist."""
    if name not in FORMATS:
        raise Error(f"there is no format {name!r} to export to; choose one of: {', '.join(FORMATS)}")
    return FORMATS[name]
