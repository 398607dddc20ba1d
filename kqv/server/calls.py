"""One computation at a time in a thread, for models that answer a request in one go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from kqv.errors import Error
from kqv.server.refusals import Refusal, busy
from kqv.server.writing import has_left

Answer = TypeVar("Answer")


class Stopped(Error):  # noqa: N818 - nobody's mistake
    """Nobody waits for it any more."""


class Calls:
    """Requests in the order in which they came, one after another: so no answer depends on what is asked beside it."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self._asked = 0
        self._turn = asyncio.Lock()
        self._closing = threading.Event()

    def close(self) -> None:
        """What runs ends at its next step, and nothing more begins."""
        self._closing.set()

    async def call(self, request: Request, compute: Callable[[Callable[[], None]], Answer]) -> Answer:
        """What `compute` gives. It is given something to call in each of its steps, which raises `Stopped` once the
        client has left or the server stops.

        Raises `Refusal` where too many wait, and for the `Error`s of `compute`, which are the client's mistakes.
        """
        if self._asked >= self.waiting:
            raise busy("the server has enough to compute; try again in a moment")
        left = threading.Event()
        watching = asyncio.ensure_future(has_left(request))
        watching.add_done_callback(lambda _: left.set())

        def step() -> None:
            if left.is_set() or self._closing.is_set():
                raise Stopped

        self._asked += 1
        try:
            async with self._turn:
                step()
                return await run_in_threadpool(compute, step)
        except Stopped:
            raise Refusal(503 if self._closing.is_set() else 499, "the server is stopping") from None
        except Error as failure:
            raise Refusal(400, str(failure), code="invalid_value") from None
        finally:
            self._asked -= 1
            watching.cancel()
