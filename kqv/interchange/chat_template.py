"""How a model was taught to read a conversation: its chat template, a text in Jinja that comes with the model.

It is somebody else's program, so it runs in Jinja's sandbox, and within bounds (`bounded_jinja`).
(Where models have it: `chat_template_files`.)
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kqv.data.text.tokenizers import Tokenizer
from kqv.errors import DataError, Error

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

    def ends_of(self, tokenizer: Tokenizer) -> dict[str, int]:
        """The ids of the tokens that begin (`bos`) and end (`eos`) a text, of those that the tokenizer has."""
        special = tokenizer.special_tokens
        return {name: special[text] for name, text in (("bos", self.begin), ("eos", self.end)) if text in special}

    @cached_property
    def _template(self) -> Any:
        from kqv.interchange.bounded_jinja import BoundedEnvironment, bounded

        environment = BoundedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = bounded(_to_json)
        environment.globals |= {"raise_exception": _refuse, "strftime_now": time.strftime}
        try:
            return environment.from_string(self.source)
        except Exception as failure:  # Jinja's own, and what Python says of the code that Jinja makes
            problem = next(iter(str(failure).splitlines()), "") or type(failure).__name__
            raise DataError(f"the model's chat template is no Jinja: {problem}; fetch the model again") from None

    def text(self, messages: Sequence[Message]) -> str:
        """The conversation up to where the model is to answer. Raises `Error` for messages that the template does not
        take, such as two of the user after each other."""
        from kqv.interchange.bounded_jinja import rendered

        asked = {"messages": messages, "add_generation_prompt": True, "bos_token": self.begin, "eos_token": self.end}
        try:
            return rendered(self._template, **asked, tools=None, documents=None)
        except Exception as failure:  # whatever a program that somebody else wrote can run into
            problem = str(failure) or type(failure).__name__
            raise Error(f"the model's chat template does not take these messages: {problem}") from None

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
