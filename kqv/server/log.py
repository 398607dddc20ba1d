"""A line for each request, and an end for clients that do not take their answer."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from typing import Any

from kqv.http.guard import Application, Message, Receive, Scope, Send
from kqv.server.metrics import Metrics
from kqv.visible import visible

NOTE = "kqv.note"
UNKNOWN = "other"
LONGEST_PATH = 100


class _TooSlow(Exception):  # noqa: N818 - what a client is
    """The client does not take what it is sent."""


def note(scope: Scope, text: str) -> None:
    """Have something stand in a request's line."""
    scope[NOTE] = text


class Logged:
    """The outermost part of the server: says and counts how each request ended."""

    def __init__(
        self, app: Application, say: Callable[[str], None], metrics: Metrics, paths: frozenset[str], patience: float
    ) -> None:
        self.app, self.say, self.metrics, self.paths, self.patience = app, say, metrics, paths, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, answer = time.perf_counter(), _Answer(send, self.patience)
        scope[NOTE] = ""
        try:
            await self.app(scope, receive, answer)
            ending = "" if answer.is_whole else "client left"
        except _TooSlow:
            ending = f"client too slow: nothing taken for {self.patience:g} s"
        except asyncio.CancelledError:
            self._line(scope, answer.status, started, "stopped")
            raise
        except Exception as failure:  # a mistake of ours, which was answered with 500 where that was still possible
            ending = "failed"
            self.say("".join(traceback.format_exception(failure)).rstrip())
        self._line(scope, answer.status, started, ending)

    def _line(self, scope: Scope, status: int, started: float, ending: str) -> None:
        seconds, path = time.perf_counter() - started, scope["path"]
        known = path if path in self.paths else UNKNOWN
        self.metrics.requests.labels(known, str(status)).inc()
        self.metrics.seconds.labels(known).observe(seconds)
        if known in ("/health", "/metrics") and status == 200:  # who watches asks every few seconds
            return
        client = (scope.get("client") or ("?",))[0]
        parts = [f"{seconds:.2f} s", scope.get(NOTE, ""), ending]
        said = f"{time.strftime('%H:%M:%S')} {client} {scope['method']} {path[:LONGEST_PATH]} {status}"
        self.say(visible(" · ".join([said, *filter(None, parts)])))


class _Answer:
    """What is sent: its status, and whether it was sent to its end. Raises `_TooSlow` where it is not taken in time."""

    def __init__(self, send: Send, patience: float) -> None:
        self.send, self.patience = send, patience
        self.status, self.is_whole = 0, False

    async def __call__(self, message: Message) -> Any:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        try:
            await asyncio.wait_for(self.send(message), self.patience)
        except TimeoutError:
            raise _TooSlow from None
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_whole = self.status != 499
