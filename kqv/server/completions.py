"""`POST /v1/completions`: texts that are continued."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from kqv.server.answer import Answer, Choice, Tokens, answered
from kqv.server.jobs import Event, Piece, PromptScored
from kqv.server.logprobs import of_completion
from kqv.server.requests import COMPLETION_NEUTRAL, CompletionRequest
from kqv.server.writer import Writer
from kqv.server.writing import Followed

router = APIRouter()


@router.post("/v1/completions")
async def completions(request: Request) -> Response:
    """Continue one or more texts, each in `n` ways."""
    return await answered(request, CompletionRequest, COMPLETION_NEUTRAL, Writer.completions, _Continuations)


class _Continuations(Answer[CompletionRequest]):
    """Each prompt's texts, after the prompt where it is to be echoed."""

    prefix = "cmpl"

    async def whole(self, request: Request, followed: Followed) -> dict[str, Any]:
        if self._echoes_alone:
            for one in self.choices:
                one.text = self._echoed(one)
        async for job, event in followed:
            for choice, text, tokens in self._taken(job, event):
                choice.add(text, tokens)
        self.count.say(request)
        choices = [self._choice(one, one.text, one.tokens, one.reason or "length") for one in self.choices]
        return self._head | {"choices": choices, "usage": self.count.usage()}

    async def chunks(self, request: Request, followed: Followed) -> AsyncIterator[dict[str, Any]]:
        head = self._head
        if self._echoes_alone:
            for one in self.choices:
                yield head | {"choices": [self._choice(one, self._echoed(one), [], None)]} | self.usage
        async for job, event in followed:
            for choice, text, tokens in self._taken(job, event):
                if text or tokens or choice.reason:
                    yield head | {"choices": [self._choice(choice, text, tokens, choice.reason)]} | self.usage
        if not self.request.max_tokens:
            for one in self.choices:
                yield head | {"choices": [self._choice(one, "", [], "length")]} | self.usage
        for chunk in self.last_chunks(request, head):
            yield chunk

    @property
    def _head(self) -> dict[str, Any]:
        return self.head | {"object": "text_completion"}

    @property
    def _echoes_alone(self) -> bool:
        """Whether the prompts are echoed, and do not come with their scores."""
        return self.request.echo and self.request.logprobs is None

    def _echoed(self, choice: Choice) -> str:
        """The prompt of a choice, as a text."""
        prompt = self.request.prompts[choice.index // self.request.n]
        return prompt if isinstance(prompt, str) else self.tokenizer.decode(prompt)

    def _taken(self, job: int, event: Event) -> list[tuple[Choice, str, Tokens]]:
        """What an event adds to which of the texts."""
        if isinstance(event, PromptScored):
            first, own = job * self.request.n, event.tokens[self._added(job) :]
            return [
                (one, self._echoed(one), one.told.prompt(own)) for one in self.choices[first : first + self.request.n]
            ]
        assert isinstance(event, Piece)
        return [self.taken(job, event)]

    def _added(self, job: int) -> int:
        """How many tokens stand before a prompt that are no part of its text."""
        is_text = isinstance(self.request.prompts[job], str)
        return int(is_text and self.asked[job].ids[0] == self.tokenizer.begin_of_text)

    def _choice(self, choice: Choice, text: str, tokens: Tokens, reason: str | None) -> dict[str, Any]:
        told = None
        if self.request.logprobs is not None:
            told = of_completion(tokens, self.tokenizer, with_top=self.request.logprobs > 0)
        return {"text": text, "index": choice.index, "logprobs": told, "finish_reason": reason}
