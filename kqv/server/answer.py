"""What completions and conversations have in common: a request is read, what the engine writes is gathered into
choices, and the answer is given whole or as it comes."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from kqv.generation.generate import End
from kqv.server.answered import Count, streamed, whole
from kqv.server.body import checked, read_json
from kqv.server.jobs import Asked, Piece, Scored
from kqv.server.logprobs import Told
from kqv.server.requests import Generation
from kqv.server.writer import Writer
from kqv.server.writing import Followed

Wanted = TypeVar("Wanted", bound=Generation)
Tokens = list[tuple[int, Scored]]
"""Tokens, each with the character of the text at which it begins."""

REASONS: dict[End, str] = {"stop": "stop", "end of text": "stop", "length": "length"}
"""Why a text ended, in the protocol's words."""


@dataclass(eq=False)
class Choice:
    """One text of the answer."""

    index: int
    told: Told
    text: str = ""
    tokens: Tokens = field(default_factory=list)
    reason: str | None = None

    def add(self, text: str, tokens: Tokens) -> None:
        """What came with an event."""
        self.text += text
        self.tokens += tokens


class Answer(ABC, Generic[Wanted]):
    """The answer to one request, as its events come: `n` choices for each of what was `asked`.

    `prefix`: with which its id begins.
    """

    prefix: str

    def __init__(self, writer: Writer, request: Wanted, asked: Sequence[Asked]) -> None:
        self.request, self.asked, self.tokenizer = request, asked, writer.loaded.tokenizer
        self.count = Count(sum(len(one.ids) for one in asked), writer.metrics)
        self.choices = [Choice(number, Told(self.tokenizer)) for number in range(len(asked) * request.n)]
        self.head: dict[str, Any] = {
            "id": f"{self.prefix}-{secrets.token_hex(12)}", "created": int(time.time()), "model": writer.name,
        }  # fmt: skip
        self.usage: dict[str, Any] = {"usage": None} if request.tells_usage else {}
        """What each chunk says of the usage, which the last one tells."""

    @abstractmethod
    async def whole(self, request: Request, followed: Followed) -> dict[str, Any]:
        """All of it."""

    @abstractmethod
    def chunks(self, request: Request, followed: Followed) -> AsyncIterator[dict[str, Any]]:
        """What is new, as it comes."""

    def taken(self, job: int, piece: Piece) -> tuple[Choice, str, Tokens]:
        """The choice that a piece belongs to, and what it adds to it."""
        choice = self.choices[job * self.request.n + piece.sample]
        self.count.one()
        if piece.end is not None:
            choice.reason = REASONS[piece.end]
        return choice, piece.text, choice.told.push(piece)

    def last_chunks(self, request: Request, head: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What ends a stream: the usage, where it is asked for."""
        self.count.say(request)
        return [{**head, "choices": [], "usage": self.count.usage()}] if self.request.tells_usage else []


async def answered(
    request: Request,
    kind: type[Wanted],
    neutral: Mapping[str, tuple[Any, ...] | None],
    ask: Callable[[Writer, Wanted], list[Asked]],
    answer: type[Answer[Wanted]],
) -> Response:
    """Answer a request of one kind; `neutral`: fields that change nothing, `ask`: what is to be written for it.

    Raises `Refusal` for what cannot be read or done.
    """
    writer: Writer = request.app.state.model
    wanted = checked(kind, await read_json(request), neutral)
    writer.require(wanted.model)
    asked = await run_in_threadpool(ask, writer, wanted)
    found = answer(writer, wanted, asked)
    followed = Followed(writer.engine).submit(asked)
    if wanted.stream:
        return streamed(followed, found.chunks(request, followed))
    return await whole(request, followed, lambda: found.whole(request, followed))
