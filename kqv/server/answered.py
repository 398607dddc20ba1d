"""The two ways to answer a request for text: in one piece, or as it comes (server-sent events)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from kqv.server.log import note
from kqv.server.metrics import Metrics
from kqv.server.refusals import Refusal
from kqv.server.writing import Followed, has_left

LEFT = 499
"""The status in the log where the client had gone before there was an answer."""

DONE = b"data: [DONE]\n\n"


class Count:
    """Tokens of one request."""

    def __init__(self, prompt: int, metrics: Metrics) -> None:
        self.prompt, self.metrics = prompt, metrics
        self.written = 0
        self.started = time.perf_counter()
        metrics.prompt_tokens.inc(prompt)

    def one(self) -> None:
        """Another token was written."""
        if not self.written:
            self.metrics.first.observe(time.perf_counter() - self.started)
        self.written += 1
        self.metrics.tokens.inc()

    def usage(self) -> dict[str, int]:
        """As the protocol has it."""
        return {
            "prompt_tokens": self.prompt, "completion_tokens": self.written,
            "total_tokens": self.prompt + self.written,
        }  # fmt: skip

    def say(self, request: Request) -> None:
        """For the log."""
        note(request.scope, f"{self.prompt} + {self.written} tokens")


async def whole(request: Request, followed: Followed, collect: Callable[[], Awaitable[Mapping[str, Any]]]) -> Response:
    """The whole answer; if the client leaves before, nothing more is computed."""
    collecting, leaving = asyncio.ensure_future(collect()), asyncio.ensure_future(has_left(request))
    try:
        await asyncio.wait({collecting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(collecting.result()) if collecting.done() else Response(status_code=LEFT)
    finally:
        followed.leave()
        collecting.cancel()
        leaving.cancel()


def streamed(followed: Followed, chunks: AsyncIterator[Mapping[str, Any]]) -> Response:
    """The answer as it comes. What fails in the middle is told in the stream; if the client leaves, nothing more is
    computed."""

    async def lines() -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks:
                yield event(chunk)
        except Refusal as refusal:
            yield event(refusal.content())
        finally:
            followed.leave()
        yield DONE

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def event(content: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(content, ensure_ascii=False, allow_nan=False)}\n\n".encode("utf-8", "replace")
