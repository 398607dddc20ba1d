"""Processes of the lab: the same commands that somebody would type, each in a session of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from kqv.errors import Error
from kqv.visible import visible

MOST = 2
"""So many run at once: each uses the processor's cores."""

ENDING = 2.0  # seconds that they have for saving when the lab ends
KEPT = 20  # so many that have ended are remembered, for their last words
TAIL = 4000  # bytes of a process's output that are read for these


@dataclass(eq=False)
class Child:
    """A process: the `name` of what it works on, the arguments of its command, and whether it was asked to stop."""

    name: str
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    asked_to_stop: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether it ended by itself with an error."""
        return self.process.poll() not in (None, 0) and not self.asked_to_stop

    @property
    def command(self) -> str:
        """What one would type to do the same."""
        return shlex.join(("kqv", *self.arguments))

    def stop(self) -> None:
        """Ask it, as Ctrl-C does, to save everything and end."""
        if self.is_alive and not self.asked_to_stop:
            self.asked_to_stop = True
            self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it and what it started at once."""
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        """The last line of what it said; of one that failed why."""
        handle = self.output.fileno()
        size = os.fstat(handle).st_size
        text = os.pread(handle, TAIL, max(0, size - TAIL)).decode("utf-8", errors="replace")
        said = [line.strip() for line in text.splitlines() if line.strip()]
        return visible(said[-1].removeprefix("error: ")) if said else "it ended without a word"


class Children:
    """The processes that a lab has started."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._all: list[Child] = []
        self._lock = threading.Lock()
        self._is_closed = False

    def start(self, name: str, arguments: Sequence[str]) -> Child:
        """Run `kqv` with these arguments; `Error` where too many run already, or one works on that name."""
        with self._lock:
            alive = [child for child in self._all if child.is_alive]
            if self._is_closed:
                raise Error("the lab is closing; start it again")
            if any(child.name == name for child in alive):
                raise Error(f"{name} is being worked on already; stop that first")
            if len(alive) >= self.most:
                busy = " and ".join(child.name for child in alive)
                raise Error(f"{busy} are running, and {self.most} at once is all that the lab starts; stop one first")
            child = _started(name, tuple(arguments))
            self._all = [*[one for one in self._all if one.name != name][-KEPT:], child]
            return child

    def of(self, name: str) -> Child | None:
        """The last process that worked on something; None where the lab started none."""
        with self._lock:
            return next((child for child in reversed(self._all) if child.name == name), None)

    def names(self) -> list[str]:
        """On what processes work, or did until lately."""
        with self._lock:
            return [child.name for child in self._all]

    def close(self, seconds: float = ENDING) -> None:
        """Ask all to stop, and kill those that have not after some seconds."""
        with self._lock:
            self._is_closed = True
            alive = [child for child in self._all if child.is_alive]
        for child in alive:
            child.stop()
        until = time.monotonic() + seconds
        for child in alive:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, until - time.monotonic()))
            if child.is_alive:
                child.kill()


def _started(name: str, arguments: tuple[str, ...]) -> Child:
    """The process; what it says goes to a file without a name, which no reader has to empty."""
    output: Any = tempfile.TemporaryFile()  # noqa: SIM115 - the process writes to it as long as it lives
    environment = {**os.environ, "COLUMNS": "1000", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}  # an error is one line
    environment.setdefault("KQV_CHECKPOINT_SECONDS", "2")  # so that weights can be watched
    process = subprocess.Popen(
        [sys.executable, "-m", "kqv", *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        env=environment, start_new_session=True,
    )  # fmt: skip
    return Child(name, arguments, process, output)
