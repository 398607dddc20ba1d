"""What a model can be exported to, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kqv.data.text.codec import Tokenizer
from kqv.errors import DataError, Error, with_article
from kqv.interchange import ctranslate2, gguf, hugging_face, onnx, onnx_usage
from kqv.interchange.chat_template import ChatTemplate


@dataclass(frozen=True)
class Written:
    """The files of an export, and what has to be said of it, in sentences."""

    files: list[Path]
    notes: list[str] = field(default_factory=list)


def _in_folder(folder: Path, names: list[str]) -> Written:
    return Written([folder / name for name in names])


@dataclass(frozen=True)
class Export:
    """What is to be written: what its system `loaded`, which type of numbers, and the model's chat template."""

    loaded: Any
    type: str = ""
    template: ChatTemplate | None = None


@dataclass(frozen=True)
class Writer:
    """How models of one system are written in a format.

    `write(export, path)` says what it wrote. `usage(loaded, path)`: how others load it, in their language.
    `model(loaded)`: the model itself.
    """

    write: Callable[[Export, Path], Written]
    usage: Callable[[Any, Path], str]
    model: Callable[[Any], Any] = lambda loaded: loaded.model


@dataclass(frozen=True)
class Format:
    """A format, and its `writers` by the system whose models they write. `types`: how numbers can be stored, the usual
    one first; none where there is nothing to choose."""

    writers: Mapping[str, Writer]
    types: tuple[str, ...] = ()

    @property
    def system(self) -> str | None:
        """The one system whose models it takes; None where there are several."""
        return next(iter(self.writers)) if len(self.writers) == 1 else None

    def writer_for(self, system: str, name: str) -> Writer:
        """What writes models of a system. Raises `Error`, which lists the systems, for the model `name` of another."""
        if system not in self.writers:
            known = ", ".join(self.writers)
            raise Error(f"{name} is {with_article(system)} model; this format takes models of: {known}")
        return self.writers[system]

    def type_named(self, name: str | None) -> str:
        """A type by name, the usual one without; `Error` that lists the names for one that does not exist."""
        if name is None:
            return self.types[0] if self.types else ""
        if not self.types:
            raise Error(f"this format has no types to choose from, but got --type {name}; leave it out")
        if name not in self.types:
            raise Error(f"this format has no type {name!r}; choose one of: {', '.join(self.types)}")
        return name


def _to_hugging_face(export: Export, path: Path) -> Written:
    return _in_folder(path, hugging_face.write(export.loaded.model, export.loaded.tokenizer, path, export.template))


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


def _to_gguf(export: Export, path: Path) -> Written:
    return Written([path], gguf.write(export.loaded.model, export.loaded.tokenizer, path, export.type, export.template))


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


def _to_ctranslate2(export: Export, path: Path) -> Written:
    return _in_folder(path, ctranslate2.write(_translator(export.loaded), path, export.type))


def _with_ctranslate2(loaded: Any, path: Path) -> str:
    return ctranslate2.usage(_translator(loaded), path)


def _to_onnx(export: Export, path: Path) -> Written:
    return _in_folder(path.parent, onnx.write_gpt(export.loaded.model, export.loaded.tokenizer, path))


def _with_onnxruntime(loaded: Any, path: Path) -> str:
    return onnx_usage.of_gpt(loaded.model, _prompt(loaded.tokenizer), path)


def _recogniser_to_onnx(export: Export, path: Path) -> Written:
    return _in_folder(path.parent, onnx.write_recogniser(export.loaded, path))


def _translator_to_onnx(export: Export, path: Path) -> Written:
    return _in_folder(path, onnx.write_translator(_translator(export.loaded), path))


def _translator_with_onnxruntime(loaded: Any, path: Path) -> str:
    return onnx_usage.of_translator(_translator(loaded), path)


FORMATS = {
    "hugging-face": Format({"gpt": Writer(_to_hugging_face, _with_transformers)}),
    "gguf": Format({"gpt": Writer(_to_gguf, _with_llama_cpp)}, tuple(gguf.TYPES)),
    "ctranslate2": Format({"translate": Writer(_to_ctranslate2, _with_ctranslate2)}, ctranslate2.TYPES),
    "onnx": Format({
        "gpt": Writer(_to_onnx, _with_onnxruntime),
        "digits": Writer(_recogniser_to_onnx, onnx_usage.of_recogniser, lambda loaded: loaded),
        "translate": Writer(_translator_to_onnx, _translator_with_onnxruntime),
    }),
}  # fmt: skip
"""All formats by name."""


def format_of(name: str) -> Format:
    """A format by name; `Error` that lists the names for one that does not exist."""
    if name not in FORMATS:
        raise Error(f"there is no format {name!r} to export to; choose one of: {', '.join(FORMATS)}")
    return FORMATS[name]
