"""Where models have their chat template: in chat_template.jinja or tokenizer_config.json of a folder in Hugging Face's
layout, and in a GGUF file's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kqv.errors import DataError
from kqv.files.reading import read_text
from kqv.interchange.chat_template import ChatTemplate
from kqv.interchange.gguf import TEMPLATE, is_gguf
from kqv.interchange.gguf_file import opened
from kqv.interchange.hugging_face import CHAT_TEMPLATE, TOKENIZER_CONFIG
from kqv.interchange.tensor_files import read_json

DEFAULT = "default"


def chat_template_of(path: Path) -> ChatTemplate | None:
    """The chat template of a model of files: a folder in Hugging Face's layout, or a GGUF file; None where it has none.

    Raises `DataError` for one that is damaged.
    """
    if is_gguf(path):
        metadata = opened(path).metadata
        source, tokens = metadata.get(TEMPLATE), metadata.get("tokenizer.ggml.tokens", [])
        ends = [_token(tokens, metadata.get(f"tokenizer.ggml.{name}_token_id")) for name in ("bos", "eos")]
        return ChatTemplate(source, *ends) if isinstance(source, str) else None
    config = read_json(path / TOKENIZER_CONFIG) if (path / TOKENIZER_CONFIG).is_file() else {}
    source = _of_folder(path, config)
    return (
        None if source is None else ChatTemplate(source, *(_name(config.get(f"{it}_token")) for it in ("bos", "eos")))
    )


def _of_folder(path: Path, config: Mapping[str, Any]) -> str | None:
    """The source, in a file of its own or in the tokenizer's configuration, alone or as the default one of several."""
    if (path / CHAT_TEMPLATE).is_file():
        try:
            return read_text(path / CHAT_TEMPLATE)
        except (OSError, UnicodeDecodeError) as failure:
            raise DataError(f"{path / CHAT_TEMPLATE} cannot be read: {failure}") from None
    source = config.get("chat_template")
    if isinstance(source, list):
        named = {one.get("name"): one.get("template") for one in source if isinstance(one, dict)}
        source = named.get(DEFAULT)
    return source if isinstance(source, str) else None


def _name(token: Any) -> str:
    """A token as tokenizer_config.json has it: its text, or an object that has it as `content`."""
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else ""


def _token(tokens: Sequence[str], number: Any) -> str:
    return tokens[number] if isinstance(number, int) and 0 <= number < len(tokens) else ""
