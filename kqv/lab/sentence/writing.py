"""A text that is written while a page looks on: a thread that computes, and what comes of it, token by token."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from kqv.errors import Error
from kqv.systems.writing import Tell, Written

WAIT = 5.0
"""Seconds for which a page waits for the text before to end."""


class _StoppedError(Exception):
    """Nobody reads any more."""


class Writer:
    """Writes one text at a time. `stop()` ends it at its next token, and so does whoever no longer reads it."""

    def __init__(self) -> None:
        self._free = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End the text that is being written."""
        self._stop.set()

    def pieces(self, write: Callable[[Tell], str], words: Callable[[int], str]) -> Iterator[dict[str, Any]]:
        """What `write` tells, as it comes, and at the end the whole text; a mistake is the last piece.

        Raises `Error`, at the call, while another text is being written.
        """
        if not self._free.acquire(timeout=WAIT):
            raise Error("another text is being written; stop it, or wait for its end")
        self._stop.clear()
        told: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._run, args=(write, words, told), name="kqv-writer", daemon=True).start()
        return self._read(told)

    def _run(
        self, write: Callable[[Tell], str], words: Callable[[int], str], told: queue.Queue[dict[str, Any] | None]
    ) -> None:
        def tell(piece: Written) -> None:
            if self._stop.is_set():
                raise _StoppedError
            told.put(_as_dict(piece, words))

        try:
            text = write(tell)
            told.put({"whole": text})
        except _StoppedError:
            told.put({"stopped": True})
        except Error as failure:
            told.put({"error": " ".join(str(failure).splitlines())})
        finally:
            self._free.release()
            told.put(None)

    def _read(self, told: queue.Queue[dict[str, Any] | None]) -> Iterator[dict[str, Any]]:
        try:
            while (piece := told.get()) is not None:
                yield piece
        finally:
            self.stop()


def _as_dict(piece: Written, words: Callable[[int], str]) -> dict[str, Any]:
    """A piece for JSON, with the words of its tokens."""
    found: dict[str, Any] = {"added": piece.added, "text": piece.text, "end": piece.end}
    if piece.token is not None:
        found["token"] = {"id": piece.token, "text": words(piece.token)}
        found["candidates"] = [asdict(one) | {"text": words(one.token)} for one in piece.candidates]
    return found
