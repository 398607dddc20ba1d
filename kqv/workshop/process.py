"""A limited process for a learner's file: so much time, so much memory, so much output, and it can be stopped.

The process writes what it has to say as lines of JSON into a file, which is read while it runs; what it prints is kept
apart. On every system: a new group of processes, which is stopped as a whole; the resident memory is watched from here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from kqv.errors import Error
from kqv.files.reading import read_bytes
from kqv.workshop.survivors import MARK, new_mark, stop

MIB = 2**20
WHERE = getattr(signal, "SIGUSR1", None)
"""The signal that asks a process where it is; Windows has none."""

_HAS_PROC = Path("/proc/self/statm").exists()
_POLL = 0.02 if _HAS_PROC else 0.1  # seconds between two looks at memory, time and events; asking `ps` costs more
_START = 60.0  # seconds that a process may take until it says that it has started, on a busy machine
_PIECE = MIB  # bytes of events that are read at once
_SHOWN = 4_000  # characters of the output that are kept from its beginning
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

Event = dict[str, Any]

MALFORMED = "it sent an answer that is none: leave kqv's own files and functions alone"
"""What is said of events that the program wrote itself."""


@dataclass(frozen=True)
class Limits:
    """What a learner's process may use; the seconds count from when it says that it has started."""

    seconds: float = 10.0
    memory: int = 1024 * MIB
    output: int = 4 * MIB
    answers: int = 64 * MIB
    """Of what kqv itself is told: more than all cases together ever have."""


@dataclass
class Ended:
    """How a process ended: its events, what it printed, and in `problem` why it did not end well, if it did not."""

    events: list[Event] = field(default_factory=list)
    printed: str = ""
    problem: str = ""
    trace: str = ""
    """The lines of code that it was in when it was stopped or crashed, innermost first, where the system tells."""


def run(
    words: list[str], folder: Path, limits: Limits, request: Event, heard: Callable[[Event], None] | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Ended:  # fmt: skip
    """Run `python -m words…` in `folder` with a request, and collect its events; `heard` is told each as it comes, and
    the process is stopped as soon as it is no longer `wanted`."""
    with tempfile.TemporaryDirectory(prefix="kqv-") as temporary:
        asked, told = Path(temporary, "request.json"), Path(temporary, "events.jsonl")
        asked.write_text(json.dumps(request, allow_nan=False), encoding="utf-8")
        told.touch()
        mark = new_mark()
        process = _begin([sys.executable, "-P", "-m", *words, str(asked), str(told)], folder, mark)
        try:
            with told.open("rb") as events:
                ended = _Watch(process, mark, limits, events, heard, wanted).until_the_end()
            with suppress(OSError):  # a pipe that the program put there, too
                ended.trace = read_bytes(trace_file(told), _SHOWN).decode("utf-8", errors="replace")
            return ended
        finally:
            stop(process, mark)


def trace_file(told: Path) -> Path:
    """Where the process writes which line it is in when it crashes, or is asked by `WHERE`."""
    return told.with_suffix(".trace")


def _begin(command: list[str], folder: Path, mark: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        MARK: mark,
        "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    }  # fmt: skip
    try:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=os.name == "posix",
        )  # fmt: skip
    except OSError as failure:
        raise Error(f"cannot start a process for the exercise: {failure.strerror or failure}; try again") from None


class _Watch:
    """Looks at a process until it ends or goes beyond a limit."""

    def __init__(
        self, process: subprocess.Popen[bytes], mark: str, limits: Limits, events: IO[bytes],
        heard: Callable[[Event], None] | None, wanted: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.process, self.mark, self.limits = process, mark, limits
        self.heard, self.wanted = heard, wanted
        self.file, self.half = events, b""
        self.ended, self.done = Ended(), False
        self.kept, self.size, self.told = bytearray(), 0, 0
        self.started, self.deadline = False, time.monotonic() + _START
        self.reader = threading.Thread(target=self._read, daemon=True)

    def until_the_end(self) -> Ended:
        self.reader.start()
        while self.process.poll() is None and not self.ended.problem and not self.done:
            self._hear()
            self.ended.problem = self._beyond()
            time.sleep(_POLL)
        status = self.process.poll()
        if self.ended.problem:
            self._ask_where()
        stop(self.process, self.mark)
        self.reader.join(timeout=2)
        while not self.ended.problem and self._hear():
            self.ended.problem = self._too_much()
        self.ended.printed = self._printed()
        if not self.ended.problem and not self.done:
            self.ended.problem = _died(status or 0, self.ended.printed)
        return self.ended

    def _ask_where(self) -> None:
        """Let the process write which line it is in, before it is stopped."""
        if WHERE is not None and self.process.poll() is None:
            with suppress(OSError):
                self.process.send_signal(WHERE)
            time.sleep(0.1)

    def _beyond(self) -> str:
        limits = self.limits
        if not self.wanted():
            return "you stopped it"
        if time.monotonic() > self.deadline and not self.started:
            return f"it did not start within {_START:g} s: is the machine very busy? Try again"
        if time.monotonic() > self.deadline:
            return f"it was stopped after {limits.seconds:g} s: is there a loop that never ends?"
        if (resident(self.process.pid) or 0) > limits.memory:
            return f"it was stopped at {limits.memory // MIB:,} MiB of memory: is an array or list growing without end?"
        return self._too_much()

    def _too_much(self) -> str:
        limits = self.limits
        if self.told > limits.answers:
            return f"it was stopped after writing {limits.answers // MIB} MiB of answers: leave kqv's own files alone"
        if self.size > limits.output:
            return f"it was stopped after printing {limits.output // MIB} MiB: is a print in a loop that never ends?"
        return ""

    def _hear(self) -> bool:
        """Read the events that came since, a piece of them at once; a line that is not finished yet waits. Whether
        there was anything."""
        piece = self.file.read(_PIECE)
        self.told += len(piece)
        *lines, self.half = (self.half + piece).split(b"\n")
        for line in lines:
            with suppress(ValueError, RecursionError):
                event = json.loads(line)
                if isinstance(event, dict):
                    self._take(event)
        return bool(piece)

    def _take(self, event: Event) -> None:
        self.ended.events.append(event)
        self.done = self.done or "done" in event
        if "started" in event and not self.started:
            self.started, self.deadline = True, time.monotonic() + self.limits.seconds
        if self.heard is not None:
            try:
                self.heard(event)
            except (LookupError, TypeError, ValueError, AttributeError):
                self.ended.problem = MALFORMED

    def _read(self) -> None:
        assert self.process.stdout is not None
        with suppress(OSError, ValueError):
            while chunk := os.read(self.process.stdout.fileno(), 65536):
                self.size += len(chunk)
                self.kept += chunk[: max(0, _SHOWN - len(self.kept))]

    def _printed(self) -> str:
        text = self.kept.decode("utf-8", errors="replace").rstrip()
        return f"{text}\n… {self.size - len(self.kept):,} more bytes" if self.size > len(self.kept) else text


def _died(status: int, printed: str) -> str:
    if status < 0:
        with suppress(ValueError):
            return f"Python itself crashed ({signal.Signals(-status).name}) before an answer came back"
    if printed.startswith("Traceback") and status == 1:
        return f"Python ended with: {printed.splitlines()[-1]}"
    return (
        f"it ended the whole of Python (exit status {status}) before an answer came back: leave out exit() and quit()"
    )


def resident(pid: int) -> int | None:
    """Bytes of memory that a process really holds; None where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return None if _HAS_PROC or os.name != "posix" else resident_by_ps(pid)


def resident_by_ps(pid: int) -> int | None:
    """The same from the command `ps`, which all POSIX systems have."""
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, timeout=2)
        return int(shown.stdout.strip()) * 1024
    return None
