"""`POST /v1/chat/completions`: a conversation is answered, by models that have a chat template."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from kqv.server.answered import Count, streamed, whole
from kqv.server.body import checked, read_json
from kqv.server.completions import REASONS
from kqv.server.jobs import Event, Piece, Scored
from kqv.server.logprobs import Told, of_chat
from kqv.server.requests import CHAT_NEUTRAL, ChatRequest
from kqv.server.writer import Writer
from kqv.server.writing import Followed

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer the last message of a conversation, in `n` ways."""
    writer: Writer = request.app.state.model
    content = checked(ChatRequest, await read_json(request, writer.limits.patience), CHAT_NEUTRAL)
    writer.require(content.model)
    asked = await run_in_threadpool(writer.chat, content)
    answer = _Answer(writer, content, Count(len(asked.ids), writer.metrics))
    followed = Followed(writer.engine).submit([asked])
    if content.stream:
        return streamed(followed, answer.chunks(request, followed))
    return await whole(request, followed, lambda: answer.whole(request, followed))


@dataclass(eq=False)
class _Choice:
    """One of the answers."""

    index: int
    told: Told
    text: str = ""
    tokens: list[tuple[int, Scored]] = field(default_factory=list)
    reason: str | None = None


class _Answer:
    """The answer to one request, as its events come."""

    def __init__(self, writer: Writer, request: ChatRequest, count: Count) -> None:
        self.writer, self.request, self.count = writer, request, count
        self.choices = [_Choice(number, Told(writer.loaded.tokenizer)) for number in range(request.n)]
        self.head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": writer.name}

    async def whole(self, request: Request, followed: Followed) -> dict[str, Any]:
        """All of it."""
        async for _, event in followed:
            choice, text, tokens = self._taken(event)
            choice.text += text
            choice.tokens += tokens
        self.count.say(request)
        choices = [
            {
                "index": one.index, "message": {"role": "assistant", "content": one.text, "refusal": None},
                "logprobs": self._told(one.tokens), "finish_reason": one.reason,
            }
            for one in self.choices
        ]  # fmt: skip
        return self.head | {"object": "chat.completion", "choices": choices, "usage": self.count.usage()}

    async def chunks(self, request: Request, followed: Followed) -> AsyncIterator[dict[str, Any]]:
        """What is new, as it comes; first who speaks, last why the answer ends."""
        usage: dict[str, Any] = {"usage": None} if self.request.tells_usage else {}
        head = self.head | {"object": "chat.completion.chunk"}
        for one in self.choices:
            yield head | {"choices": [self._delta(one, {"role": "assistant", "content": ""}, [], None)]} | usage
        async for _, event in followed:
            choice, text, tokens = self._taken(event)
            if text or tokens:
                yield head | {"choices": [self._delta(choice, {"content": text}, tokens, None)]} | usage
            if choice.reason:
                yield head | {"choices": [self._delta(choice, {}, [], choice.reason)]} | usage
        self.count.say(request)
        if self.request.tells_usage:
            yield head | {"choices": [], "usage": self.count.usage()}

    def _taken(self, event: Event) -> tuple[_Choice, str, list[tuple[int, Scored]]]:
        assert isinstance(event, Piece)
        choice = self.choices[event.sample]
        self.count.one()
        if event.end is not None:
            choice.reason = REASONS[event.end]
        return choice, event.text, choice.told.push(event)

    def _told(self, tokens: list[tuple[int, Scored]]) -> dict[str, Any] | None:
        return of_chat(tokens, self.writer.loaded.tokenizer) if self.request.logprobs else None

    def _delta(
        self, choice: _Choice, delta: dict[str, str], tokens: list[tuple[int, Scored]], reason: str | None
    ) -> dict[str, Any]:
        told = self._told(tokens) if tokens else None
        return {"index": choice.index, "delta": delta, "logprobs": told, "finish_reason": reason}
