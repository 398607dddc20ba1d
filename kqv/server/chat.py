"""`POST /v1/chat/completions`: a conversation is answered, by models that have a chat template."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from kqv.server.answer import Answer, Choice, Tokens, answered
from kqv.server.jobs import Asked, Piece
from kqv.server.logprobs import of_chat
from kqv.server.requests import CHAT_NEUTRAL, ChatRequest
from kqv.server.writer import Writer
from kqv.server.writing import Followed

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer the last message of a conversation, in `n` ways."""
    return await answered(request, ChatRequest, CHAT_NEUTRAL, _ask, _Reply)


def _ask(writer: Writer, wanted: ChatRequest) -> list[Asked]:
    return [writer.chat(wanted)]


class _Reply(Answer[ChatRequest]):
    """The next message, in `n` ways."""

    prefix = "chatcmpl"

    async def whole(self, request: Request, followed: Followed) -> dict[str, Any]:
        async for job, event in followed:
            assert isinstance(event, Piece)
            choice, text, tokens = self.taken(job, event)
            choice.add(text, tokens)
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
        """First who speaks, last why the answer ends."""
        head = self.head | {"object": "chat.completion.chunk"}
        for one in self.choices:
            yield head | {"choices": [self._delta(one, {"role": "assistant", "content": ""}, [], None)]} | self.usage
        async for job, event in followed:
            assert isinstance(event, Piece)
            choice, text, tokens = self.taken(job, event)
            if text or tokens:
                yield head | {"choices": [self._delta(choice, {"content": text}, tokens, None)]} | self.usage
            if choice.reason:
                yield head | {"choices": [self._delta(choice, {}, [], choice.reason)]} | self.usage
        for chunk in self.last_chunks(request, head):
            yield chunk

    def _told(self, tokens: Tokens) -> dict[str, Any] | None:
        return of_chat(tokens, self.tokenizer) if self.request.logprobs else None

    def _delta(self, choice: Choice, delta: dict[str, str], tokens: Tokens, reason: str | None) -> dict[str, Any]:
        told = self._told(tokens) if tokens else None
        return {"index": choice.index, "delta": delta, "logprobs": told, "finish_reason": reason}
