"""Who may ask the lab what: the host's name, the page's origin, tokens, sizes, and how much at once."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from h11 import LocalProtocolError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from kqv.lab.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE_TOKEN = "x-kqv-page"
"""The header in which a page sends the token that it was given."""

COOKIE = "kqv-lab"
READING = ("GET", "HEAD")
STREAM = "/api/events"

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",  # pictures to keep are made in the page
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class _Body:
    """A request's body, but an end where it grows too large: its length may be missing or wrong."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.most = receive, most
        self.received = 0

    @property
    def is_too_large(self) -> bool:
        """Whether more came than is taken."""
        return self.received > self.most

    async def __call__(self) -> Message:
        message = await self.receive()
        self.received += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_large else message


class Guard:
    """Refuses, before anything is computed: other names of the host (DNS rebinding), requests of other sites' pages,
    changes without the page's token, bodies that are too large, and more at once than the lab bears."""

    def __init__(self, app: Application, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.requests = self.streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # there are no web sockets
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._counted(scope, _Body(receive, self.settings.largest_request), _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        method, path = scope["method"], scope["path"]
        if not self._is_called_by_name(headers):
            return _no(421, f"the lab is not called {headers.get('host', '')!r}; open {self.settings.address}")
        if _is_of_another_site(headers, is_page=method in READING and not path.startswith("/api/")):
            return _no(403, "pages of other sites may not ask the lab")
        if self.settings.token is not None and (asked := self._without_access(scope, headers)) is not None:
            return asked
        if method not in READING and not _same(headers.get(PAGE_TOKEN), self.settings.page_token):
            return _no(403, f"what changes something needs the page's token in {PAGE_TOKEN}; reload the page")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.settings.largest_request:
            return self._too_large()
        return None

    def _is_called_by_name(self, headers: Headers) -> bool:
        names = self.settings.hosts
        if names is None:
            return True
        host = headers.get("host", "").lower()
        name, colon, port = host.rpartition(":")
        return (name if colon and port.isdecimal() else host) in names

    def _without_access(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a browser that does not know the token; one that comes with it is given a cookie."""
        token = self.settings.token or ""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if _same(given, token):
            welcome = RedirectResponse(scope["path"], status_code=303)
            welcome.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return welcome
        if _same(_cookie(headers), token) or _same(headers.get("authorization"), f"Bearer {token}"):
            return None
        return _no(401, "the lab needs its token: open the address that `kqv lab` printed")

    def _too_large(self) -> Response:
        return _no(413, f"a request may have {self.settings.largest_request:,} bytes at most")

    async def _counted(self, scope: Scope, body: _Body, send: Send) -> None:
        counter, most = (
            ("streams", self.settings.most_streams)
            if scope["path"] == STREAM
            else ("requests", self.settings.most_requests)
        )
        if getattr(self, counter) >= most:
            await _no(503, "the lab has enough to do; try again in a moment", {"retry-after": "1"})(scope, body, send)
            return
        setattr(self, counter, getattr(self, counter) + 1)

        async def answer(message: Message) -> None:
            if not body.is_too_large:  # what is said to half a request is of no use
                await send(message)

        try:
            await self.app(scope, body, answer)
        finally:
            setattr(self, counter, getattr(self, counter) - 1)
            if body.is_too_large:
                await self._too_large()(scope, body, send)


def _no(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status_code=status, headers=headers)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        with suppress(LocalProtocolError):  # the server refused a broken request already while it was looked at
            await send(message)

    return sending


def _is_of_another_site(headers: Headers, is_page: bool) -> bool:
    """Whether a page of another site sent it; a link to the lab's pages may stand anywhere."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return True
    allowed = ("same-origin", "none", *(["cross-site", "same-site"] if is_page else []))
    return headers.get("sec-fetch-site", "none") not in allowed


def _same(given: str | None, right: str) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), right.encode())


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value
