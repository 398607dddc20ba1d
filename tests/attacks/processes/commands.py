"""The very command line in a process that is forked from one which has everything imported: as `kqv …`, at once."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from moments import Moment, watch

import kqv.cli.main

assert kqv.cli.main  # it is imported once, and not by each command
OURS = 70  # exit status of what was not caught
WAIT = 120.0
"""Seconds after which a command counts as one that hangs."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status as `subprocess` has it, negative for a signal, and what it said."""

    status: int
    out: str
    err: str

    @property
    def fell(self) -> str:
        """Why this is no way to end; empty where it is."""
        if "Traceback (most recent call last)" in self.err:
            where = [line.strip() for line in self.err.splitlines() if line.strip().startswith("File ")]
            return f"traceback: {self.last[:200]}, {where[-1]}"
        return "it hangs" if self.status == -signal.SIGALRM else ""

    @property
    def last(self) -> str:
        """The last line of standard error."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


@dataclass
class Command:
    """A command line: its words, its folder, and what of its surroundings is unusual.

    `before` is done in the new process, before the command; `moment`: where it is killed.
    """

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str | None] = field(default_factory=dict)
    moment: Moment | None = None
    before: Callable[[], None] | None = None
    fresh: bool = False
    """Whether the command line's own modules are imported anew: some read the environment when they are."""

    pid: int = 0
    status: int | None = None

    def __post_init__(self) -> None:
        self.logs = {number: self.folder.parent / f"{self.folder.name}-{number}-{id(self)}" for number in (1, 2)}

    def begin(self) -> Command:
        """Start it."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._be()
        return self

    def ended(self, seconds: float = WAIT) -> Ended:
        """Wait for its end, so long at most."""
        end = time.monotonic() + seconds
        while not self.has_ended:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.status = -signal.SIGALRM
                break
            time.sleep(0.002)
        assert self.status is not None
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)  # what it left behind
        said = [
            path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in self.logs.values()
        ]
        for path in self.logs.values():
            path.unlink(missing_ok=True)
        return Ended(self.status, *said)

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        if self.status is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def send(self, number: int) -> None:
        """A signal, unless it is over."""
        if not self.has_ended:
            os.kill(self.pid, number)

    def _be(self) -> None:
        """The command's own process; it never returns."""
        status = OURS
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)  # until the command line listens, as while Python starts
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_IGN)  # as Python does
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.chdir(self.folder)
            for number, path in self.logs.items():
                os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for name, value in self.environment.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            if self.before:
                self.before()
            _open_streams()
            run = _command_line(self.fresh)
            sys.argv = ["kqv", *self.words]
            if self.moment:
                watch(self.moment)
            run()
        except SystemExit as failure:
            status = failure.code if isinstance(failure.code, int) else OURS if failure.code else 0
        except BaseException:
            with suppress(BaseException):
                traceback.print_exc()
        finally:
            with suppress(BaseException):
                if self.moment:
                    self.moment.note()
                for stream in (sys.stdout, sys.stderr):
                    if stream is not None:
                        stream.flush()
            os._exit(status)


def _open_streams() -> None:
    """Standard streams as Python has them for a new process: None for one that is closed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", buffering=1 if number == 2 else -1)  # noqa: SIM115, PTH123
        except OSError:
            stream = None
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _command_line(fresh: bool) -> Callable[[], None]:
    if fresh:
        for name in [name for name in sys.modules if name.startswith(("kqv.cli", "kqv.__main__"))]:
            del sys.modules[name]
    from kqv.__main__ import run

    return run
