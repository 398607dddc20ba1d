"""What a model can be exported to, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.interchange import ctranslate2, hugging_face


@dataclass(frozen=True)
class Format:
    """A format that models of one `system` can be written in.

    `write(loaded, path, type)` gives the names of the files; `loaded` is what the system loads. `usage(loaded, path)`:
    how others load them, in their language. `types`: how numbers can be stored, the usual one first; none where there
    is nothing to choose.
    """

    system: str
    write: Callable[[Any, Path, str], list[str]]
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


def _to_hugging_face(loaded: Any, path: Path, number_type: str) -> list[str]:
    return hugging_face.write(loaded.model, loaded.tokenizer, path)


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


def _to_ctranslate2(loaded: Any, path: Path, number_type: str) -> list[str]:
    return ctranslate2.write(_translator(loaded), path, number_type)


def _with_ctranslate2(loaded: Any, path: Path) -> str:
    return ctranslate2.usage(_translator(loaded), path)


FORMATS = {
    "hugging-face": Format("gpt", _to_hugging_face, _with_transformers),
    "ctranslate2": Format("translate", _to_ctranslate2, _with_ctranslate2, ctranslate2.TYPES),
}
"""All formats by name."""


def format_of(name: str) -> Format:
    """A format by name; `Error` that lists the names for one that does not exist."""
    if name not in FORMATS:
        raise Error(f"there is no format {name!r} to export to; choose one of: {', '.join(FORMATS)}")
    return FORMATS[name]
