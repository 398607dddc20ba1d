"""Who may ask a server what: the host's name, the page's origin, sizes, and how much at once."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from h11 import LocalProtocolError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

READING = ("GET", "HEAD")


class Rules(Protocol):
    """What a server lets in: `headers` stand in every answer; a body has at most `largest_request` bytes, and comes
    within `patience` seconds."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def largest_request(self) -> int: ...

    @property
    def patience(self) -> float: ...

    def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that is refused before anything is computed; None for one that is let in."""

    def most(self, scope: Scope) -> tuple[str, int]:
        """What kind of request it is, and how many of that kind are answered at once."""

    def no(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
        """A refusal in the server's own words."""


class _Body:
    """A request's body, but an end where it grows too large or does not come: its length may be missing or wrong."""

    def __init__(self, receive: Receive, rules: Rules) -> None:
        self.receive, self.rules = receive, rules
        self.received, self.is_whole = 0, False
        self.until: float | None = None
        self.refusal: Response | None = None
        """The answer to a body that is not taken."""

    async def __call__(self) -> Message:
        if self.is_whole:
            return await self.receive()
        now = asyncio.get_running_loop().time()
        self.until = now + self.rules.patience if self.until is None else self.until
        try:
            message = await asyncio.wait_for(self.receive(), max(0.001, self.until - now))
        except TimeoutError:
            return self._refused(408, f"the request's body did not come within {self.rules.patience:g} seconds")
        self.received += len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)
        if self.received > self.rules.largest_request:
            return self._refused(413, too_large(self.rules))
        return message

    def _refused(self, status: int, why: str) -> Message:
        self.refusal = self.refusal or self.rules.no(status, why)
        return {"type": "http.disconnect"}


def too_large(rules: Rules) -> str:
    """What is said to a body that has too many bytes."""
    return f"a request may have {rules.largest_request:,} bytes at most"


class Guard:
    """Refuses what the rules refuse, bodies that are too large, and more at once than the server bears."""

    def __init__(self, app: Application, rules: Rules) -> None:
        self.app, self.rules = app, rules
        self.running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # there are no web sockets
        headers, send = Headers(scope=scope), self._with_headers(send)
        refusal = self.rules.refusal(scope, headers) or self._of_its_length(headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._counted(scope, _Body(receive, self.rules), send)

    def _of_its_length(self, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        fits = length.isdecimal() and int(length) <= self.rules.largest_request
        return None if fits else self.rules.no(413, too_large(self.rules))

    async def _counted(self, scope: Scope, body: _Body, send: Send) -> None:
        kind, most = self.rules.most(scope)
        if self.running[kind] >= most:
            busy = "the server has enough to do; try again in a moment"
            await self.rules.no(503, busy, {"retry-after": "1"})(scope, body, send)
            return
        self.running[kind] += 1

        async def answer(message: Message) -> None:
            if body.refusal is None:  # what is said to half a request is of no use
                await send(message)

        try:
            await self.app(scope, body, answer)
        finally:
            self.running[kind] -= 1
            if body.refusal is not None:
                await body.refusal(scope, body, send)

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in self.rules.headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            with suppress(LocalProtocolError):  # the server refused a broken request already while it was looked at
                await send(message)

        return sending


def is_called_by_name(headers: Headers, names: frozenset[str] | None) -> bool:
    """Whether the host that is asked for is one of the server's names (None: any); else a page of another site may
    have had its own name resolved to this machine (DNS rebinding)."""
    if names is None:
        return True
    host = headers.get("host", "").lower()
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host) in names


def is_of_another_site(headers: Headers, is_page: bool = False) -> bool:
    """Whether a page of another site sent it; a link to a page may stand anywhere."""
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) != headers.get("host", "").lower():
        return True
    allowed = ("same-origin", "none", *(["cross-site", "same-site"] if is_page else []))
    return headers.get("sec-fetch-site", "none") not in allowed


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None for what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:  # such as a bracket that is never closed
        return None


def same(given: str | None, right: str) -> bool:
    """Whether a secret is the right one, in a time that does not tell how much of it is."""
    return given is not None and secrets.compare_digest(given.encode(), right.encode())
