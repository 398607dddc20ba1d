"""How a model was taught to read a conversation: its chat template, a text in Jinja that comes with the model.

It stands in tokenizer_config.json or chat_template.jinja of a folder in Hugging Face's layout, and in a GGUF file's
metadata. It is somebody else's program, so it runs in Jinja's sandbox.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import DataError, Error
from kqv.interchange.gguf import is_gguf
from kqv.interchange.gguf_file import opened
from kqv.interchange.tensor_files import read_json

CONFIG, FILE = "tokenizer_config.json", "chat_template.jinja"
KEY = "tokenizer.chat_template"
DEFAULT = "default"
MARK = "\ue0d7"
"""A private character that is set into what a message says of special tokens, and taken out again."""

Message = Mapping[str, str]
"""Its `role` (system, user, assistant) and its `content`."""


@dataclass(frozen=True)
class ChatTemplate:
    """A conversation's messages as one text: the Jinja `source`, and how the tokens that begin and end a text are
    written. Raises `DataError` for a source that is no Jinja."""

    source: str
    begin: str = ""
    end: str = ""

    def __post_init__(self) -> None:
        _ = self._template

    @cached_property
    def _template(self) -> Any:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": time.strftime}
        try:
            return environment.from_string(self.source)
        except (TemplateError, RecursionError) as failure:
            raise DataError(f"the model's chat template is no Jinja: {failure}; fetch the model again") from None

    def text(self, messages: Sequence[Message]) -> str:
        """The conversation up to where the model is to answer. Raises `Error` for messages that the template does not
        take, such as two of the user after each other."""
        asked = {"messages": messages, "add_generation_prompt": True, "bos_token": self.begin, "eos_token": self.end}
        try:
            return str(self._template.render(**asked, tools=None, documents=None))
        except Exception as failure:  # whatever a program that somebody else wrote can run into
            raise Error(f"the model's chat template does not take these messages: {failure}") from None

    def ids(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        """The conversation's tokens: special ones where the template writes them, never where a message does.

        Raises `Error` as `text`, `DataError` for what the vocabulary does not have.
        """
        special = tokenizer.special_tokens
        if not special:
            return tokenizer.encode(self.text(messages)).tolist()  # type: ignore[no-any-return]
        names = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))))
        harmless = [
            {**message, "content": names.sub(_marked, message["content"].replace(MARK, ""))} for message in messages
        ]
        text = self.text(harmless)
        found: list[int] = []
        for plain, name in _parted(text, names):
            found += tokenizer.encode(plain.replace(MARK, "")).tolist() if plain else []
            found += [special[name]] if name else []
        return found


def chat_template_of(path: Path) -> ChatTemplate | None:
    """The chat template of a model of files: a folder in Hugging Face's layout, or a GGUF file; None where it has none.

    Raises `DataError` for one that is damaged.
    """
    if is_gguf(path):
        metadata = opened(path).metadata
        source, tokens = metadata.get(KEY), metadata.get("tokenizer.ggml.tokens", [])
        ends = [_token(tokens, metadata.get(f"tokenizer.ggml.{name}_token_id")) for name in ("bos", "eos")]
        return ChatTemplate(source, *ends) if isinstance(source, str) else None
    config = read_json(path / CONFIG) if (path / CONFIG).is_file() else {}
    source = _of_folder(path, config)
    return (
        None if source is None else ChatTemplate(source, *(_name(config.get(f"{it}_token")) for it in ("bos", "eos")))
    )


def _of_folder(path: Path, config: Mapping[str, Any]) -> str | None:
    """The source, in a file of its own or in the tokenizer's configuration, alone or as the default one of several."""
    if (path / FILE).is_file():
        try:
            return (path / FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as failure:
            raise DataError(f"{path / FILE} cannot be read: {failure}") from None
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


def _marked(found: re.Match[str]) -> str:
    """A special token's name with a mark in it, so that it is none any more."""
    return found[0][0] + MARK + found[0][1:]


def _parted(text: str, names: re.Pattern[str]) -> Iterable[tuple[str, str]]:
    """Plain text and the special token after it, in turn; after the last one none."""
    start = 0
    for found in names.finditer(text):
        yield text[start : found.start()], found[0]
        start = found.end()
    yield text[start:], ""


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def _refuse(message: str) -> None:
    raise Error(message)
