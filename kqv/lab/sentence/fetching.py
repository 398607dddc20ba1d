"""The model that a button fetches: a thread that downloads it, and how far it is, told to every page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kqv.data.download import Bar
from kqv.data.registry import File, Source
from kqv.data.sources import fetch
from kqv.errors import Error

TOPIC = "sentence.fetching"
OFTEN = 0.25  # seconds between two reports

State = dict[str, Any]


class _StoppedError(Exception):
    """Nobody wants it any more."""


class Fetching:
    """One download at a time; `publish(topic, state)` tells the pages how far it is.

    A state: the model's `name`, whether it `runs`, `bytes` of `total`, `seconds` that are left (None: not known yet),
    and how it ended: `here`, or a `problem` in one line; neither where it was stopped.
    """

    def __init__(self, name: str, publish: Callable[[str, State], None]) -> None:
        self.name, self._publish = name, publish
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._state: State = self._fresh(runs=False)

    def _fresh(self, runs: bool) -> State:
        return {
            "name": self.name, "runs": runs, "bytes": 0, "total": None, "seconds": None, "here": False, "problem": None
        }  # fmt: skip

    @property
    def state(self) -> State:
        """How it stands."""
        with self._lock:
            return dict(self._state)

    def start(self) -> State:
        """Begin; one that runs already goes on."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._stop.clear()
                self._state = self._fresh(runs=True)
                self._thread = threading.Thread(target=self._fetch, name="kqv-fetch", daemon=True)
                self._thread.start()
        return self.state

    def stop(self) -> None:
        """End it at its next piece; nothing is left behind."""
        self._stop.set()

    def _fetch(self) -> None:
        try:
            fetch(self.name, self._bar)
            self._tell(runs=False, here=True, seconds=0)
        except _StoppedError:
            self._tell(runs=False)
        except Error as failure:
            self._tell(runs=False, problem=" ".join(str(failure).splitlines()))
        except Exception as failure:  # a mistake of ours must not leave a page waiting
            self._tell(runs=False, problem=f"{type(failure).__name__}: {failure}")
            raise

    def _bar(self, source: Source, file: File) -> Bar:
        self._tell(bytes=0, total=file.size, seconds=None)
        return _Told(file.size, self._advanced)

    def _advanced(self, got: int, total: int, seconds: float) -> None:
        if self._stop.is_set():
            raise _StoppedError
        self._tell(bytes=got, total=total, seconds=(total - got) * seconds / got if got else None)

    def _tell(self, **news: Any) -> None:
        with self._lock:
            self._state = self._state | news
            state = dict(self._state)
        self._publish(TOPIC, state)


class _Told:
    """A progress bar as pooch asks for it: tells now and then how many bytes came, of how many, in which time."""

    def __init__(self, total: int, tell: Callable[[int, int, float], None]) -> None:
        self.total, self._tell = total, tell
        self._got, self._began, self._told = 0, time.monotonic(), 0.0

    def update(self, amount: int, /) -> None:
        """More has come."""
        self._got += amount
        now = time.monotonic()
        if now - self._told >= OFTEN:
            self._told = now
            self._tell(min(self._got, self.total), self.total, now - self._began)

    def reset(self) -> None:
        """Begin anew; pooch does so at the end, to show that all is there."""
        self._got = 0

    def close(self) -> None:
        """It has ended."""
