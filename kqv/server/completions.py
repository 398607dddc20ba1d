"""`POST /v1/completions`: texts that are continued."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from kqv.generation.generate import End
from kqv.server.answered import Count, streamed, whole
from kqv.server.body import checked, read_json
from kqv.server.jobs import Asked, Event, Piece, PromptScored, Scored
from kqv.server.logprobs import Told, of_completion
from kqv.server.requests import COMPLETION_NEUTRAL, CompletionRequest
from kqv.server.writer import Writer
from kqv.server.writing import Followed

router = APIRouter()
REASONS: dict[End, str] = {"stop": "stop", "end of text": "stop", "length": "length"}
"""Why a text ended, in the protocol's words."""


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """Continue one or more texts, each in `n` ways."""
    writer: Writer = request.app.state.model
    content = checked(CompletionRequest, await read_json(request, writer.limits.patience), COMPLETION_NEUTRAL)
    writer.require(content.model)
    asked = await run_in_threadpool(writer.completions, content)
    answer = _Answer(writer, content, asked, Count(sum(len(one.ids) for one in asked), writer.metrics))
    followed = Followed(writer.engine).submit(asked)
    if content.stream:
        return streamed(followed, answer.chunks(request, followed))
    return await whole(request, followed, lambda: answer.whole(request, followed))


@dataclass(eq=False)
class _Choice:
    """One text of the answer."""

    index: int
    told: Told
    echoed: str
    text: str = ""
    tokens: list[tuple[int, Scored]] = field(default_factory=list)
    reason: str | None = None


class _Answer:
    """The answer to one request, as its events come."""

    def __init__(self, writer: Writer, request: CompletionRequest, asked: list[Asked], count: Count) -> None:
        self.writer, self.request, self.asked, self.count = writer, request, asked, count
        self.tokenizer = writer.loaded.tokenizer
        prompts = request.prompts
        self.choices = [
            _Choice(job * request.n + sample, Told(self.tokenizer), self._text_of(prompts[job]))
            for job in range(len(asked))
            for sample in range(request.n)
        ]
        self.head = {
            "id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time()),
            "model": writer.name,
        }  # fmt: skip

    async def whole(self, request: Request, followed: Followed) -> dict[str, Any]:
        """All of it."""
        async for job, event in followed:
            for choice, text, tokens in self._taken(job, event):
                choice.text += text
                choice.tokens += tokens
        self.count.say(request)
        choices = [self._choice(one, one.text, one.tokens, one.reason or "length") for one in self._finished()]
        return self.head | {"choices": choices, "usage": self.count.usage()}

    async def chunks(self, request: Request, followed: Followed) -> AsyncIterator[dict[str, Any]]:
        """What is new, as it comes."""
        usage: dict[str, Any] = {"usage": None} if self.request.tells_usage else {}
        if self.request.echo and not self._scores_prompt:
            for one in self._finished():
                yield self.head | {"choices": [self._choice(one, one.text, [], None)]} | usage
        async for job, event in followed:
            for choice, text, tokens in self._taken(job, event):
                if text or tokens or choice.reason:
                    yield self.head | {"choices": [self._choice(choice, text, tokens, choice.reason)]} | usage
        if not self.request.max_tokens:
            for one in self.choices:
                yield self.head | {"choices": [self._choice(one, "", [], "length")]} | usage
        self.count.say(request)
        if self.request.tells_usage:
            yield self.head | {"choices": [], "usage": self.count.usage()}

    @property
    def _scores_prompt(self) -> bool:
        return self.request.echo and self.request.logprobs is not None

    def _finished(self) -> list[_Choice]:
        """The choices, with the prompt before them where it is to be echoed and did not come with its scores."""
        if self.request.echo and not self._scores_prompt:
            for one in self.choices:
                one.text = one.echoed + one.text
        return self.choices

    def _taken(self, job: int, event: Event) -> list[tuple[_Choice, str, list[tuple[int, Scored]]]]:
        """What an event adds to which of the texts."""
        first = job * self.request.n
        if isinstance(event, PromptScored):
            own = event.tokens[self._added(job) :]
            return [(one, one.echoed, one.told.prompt(own)) for one in self.choices[first : first + self.request.n]]
        assert isinstance(event, Piece)
        choice = self.choices[first + event.sample]
        self.count.one()
        if event.end is not None:
            choice.reason = REASONS[event.end]
        return [(choice, event.text, choice.told.push(event))]

    def _added(self, job: int) -> int:
        """How many tokens stand before a prompt that are no part of its text."""
        is_text = isinstance(self.request.prompts[job], str)
        return int(is_text and self.asked[job].ids[0] == self.tokenizer.begin_of_text)

    def _choice(
        self, choice: _Choice, text: str, tokens: list[tuple[int, Scored]], reason: str | None
    ) -> dict[str, Any]:
        told = None
        if self.request.logprobs is not None:
            told = of_completion(tokens, self.tokenizer, with_top=self.request.logprobs > 0)
        return {"text": text, "index": choice.index, "logprobs": told, "finish_reason": reason}

    def _text_of(self, prompt: str | list[int]) -> str:
        return prompt if isinstance(prompt, str) else self.tokenizer.decode(prompt)
