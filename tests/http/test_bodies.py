"""A request's body has to come in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from kqv.http.guard import Guard, Message, Receive, Scope, Send


class Rules:
    """Everybody may ask."""

    headers: Mapping[str, str] = {}
    largest_request, patience = 1000, 0.05

    def no(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
        return PlainTextResponse(why, status, headers)

    def most(self, scope: Scope) -> tuple[str, int]:
        return "requests", 1

    def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        return None


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        answer = PlainTextResponse(await Request(scope, receive).body())
    except ClientDisconnect:
        answer = PlainTextResponse("it broke off", 400)
    await answer(scope, receive, send)


def _asked(*pieces: bytes, every: float) -> tuple[int, bytes, int]:
    """The status and the body of the answer to a body that comes piece by piece and has no end; how many still run."""
    said: list[Message] = []
    guard, coming = Guard(_echo, Rules()), list(pieces)

    async def receive() -> Message:
        await asyncio.sleep(every if coming else 10)
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming) or every > 0}

    async def send(message: Message) -> None:
        said.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    asyncio.run(asyncio.wait_for(guard(scope, receive, send), 5))
    return said[0]["status"], said[1]["body"], guard.running["requests"]


def test_a_body_that_comes_is_taken() -> None:
    assert _asked(b"ab", b"cd", every=0) == (200, b"abcd", 0)


@pytest.mark.parametrize("pieces", [(b"a",), (b"a",) * 100], ids=["half", "byte by byte"])
def test_half_a_body_holds_nobody_up(pieces: tuple[bytes, ...]) -> None:
    assert _asked(*pieces, every=0.002) == (408, b"the request's body did not come within 0.05 seconds", 0)
