"""What happens, told to every page that listens: one stream of server-sent events a page."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

router = APIRouter()

WAITING = 1000
"""So many events may wait for a page; one that reads no faster is told that it missed some, and asks anew."""

SILENCE = 15.0  # seconds after which a sign of life is sent


class Listener:
    """A page's queue; filled from any thread, read by the event loop that made it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING)

    def put(self, text: str | None) -> None:
        """Have the loop take an event; None ends the stream."""
        try:
            self.loop.call_soon_threadsafe(self._take, text)
        except RuntimeError:  # its loop is closed: nobody reads any more
            return

    def _take(self, text: str | None) -> None:
        if text is None or self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None if text is None else _written("missed", {}))
        if text is not None:
            self.queue.put_nowait(text)


class Events:
    """Everything that listens. `publish` may be called from any thread and never waits."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self.is_closed = False

    def publish(self, topic: str, data: Any) -> None:
        """Tell all pages of something, as JSON; `topic` is a room's name, or one behind a dot (`training.metrics`)."""
        text = _written(topic, data)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.put(text)

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            self.is_closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.put(None)

    async def stream(self) -> AsyncIterator[str]:
        """One page's events, from now on."""
        listener = Listener()
        with self._lock:
            if self.is_closed:
                return
            self._listeners.add(listener)
        try:
            yield ": welcome\n\n"
            while True:
                try:
                    text = await asyncio.wait_for(listener.queue.get(), SILENCE)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            with self._lock:
                self._listeners.discard(listener)


def _written(topic: str, data: Any) -> str:
    return f"event: {topic}\ndata: {json.dumps(data, ensure_ascii=False, allow_nan=False)}\n\n"


@router.get("/api/events")
async def events(request: Request) -> StreamingResponse:
    """The page's stream."""
    return StreamingResponse(request.app.state.lab.events.stream(), media_type="text/event-stream")
