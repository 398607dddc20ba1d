"""What a model can be exported to, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import Error
from kqv.interchange import hugging_face
from kqv.models.gpt import GPT


class Format(NamedTuple):
    """`write(model, tokenizer, path)` gives the names of the files; `snippet(path)`: how others load them."""

    write: Callable[[GPT, Tokenizer | None, Path], list[str]]
    snippet: Callable[[Path], str]


def _with_transformers(path: Path) -> str:
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"model, tokenizer = (c.from_pretrained({str(path)!r}) for c in (AutoModelForCausalLM, AutoTokenizer))"
    )


FORMATS = {"hugging-face": Format(hugging_face.write, _with_transformers)}
"""All formats by name."""


def format_of(name: str) -> Format:
    """A format by name; `Error` that lists the names for one that does not exist."""
    if name not in FORMATS:
        raise Error(f"there is no format {name!r} to export to; choose one of: {', '.join(FORMATS)}")
    return FORMATS[name]
