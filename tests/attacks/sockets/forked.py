"""`kqv lab` and `kqv serve`, forked from this process, which has everything imported: they are there at once."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from arena import computed_by
from commands import Command
from listeners import ROOT, Served

import kqv.lab.server
import kqv.server.server
import kqv.server.writer_service

assert kqv.lab.server, kqv.server.server
assert kqv.server.writer_service
BEGIN = 60.0  # seconds within which one is there
ADDRESS, TOKEN = re.compile(r"http://[^/\s]+"), re.compile(rb'kqv-page-token" content="([^"]+)"')


class Forked:
    """A forked command as `subprocess` has processes."""

    def __init__(self, command: Command) -> None:
        self.command, self.pid = command, command.pid

    @property
    def returncode(self) -> int | None:
        """Its status; None while it runs."""
        return self.command.status

    def poll(self) -> int | None:
        """Look whether it has ended; its status."""
        return self.command.status if self.command.has_ended else None

    def wait(self, timeout: float | None = None) -> int:
        """Its status when it has ended. Raises `TimeoutExpired` where it has not after so many seconds."""
        end = time.monotonic() + (timeout or 1e9)
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("kqv", timeout or 0.0)
            time.sleep(0.005)
        return status

    def ends(self, seconds: float) -> bool:
        """Whether it ends before `working` says that it has had its time."""
        for _ in self.working(seconds):
            time.sleep(0.01)
        return self.poll() is not None

    def working(self, seconds: float) -> Iterator[None]:
        """Again and again until it has ended, computed for so many seconds, or done nothing for as long: what else the
        machine has to do makes no difference."""
        begun = last = computed_by(self.pid)
        since = time.monotonic()
        while self.poll() is None and last - begun < seconds and time.monotonic() - since < seconds:
            yield
            if (now := computed_by(self.pid)) > last:
                last, since = now, time.monotonic()

    def send_signal(self, number: int) -> None:
        """A signal, unless it has ended."""
        self.command.send(number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def surroundings(home: Path) -> dict[str, str]:
    """The environment of whatever is served, and of the processes that it starts."""
    return {
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"),
        "HF_HUB_OFFLINE": "1", "COLUMNS": "200",
    }  # fmt: skip


@contextmanager
def forked(folder: Path, *words: str, **environment: str) -> Iterator[Served]:
    """A command that serves, in a folder, until it is left; its log lies beside the folder. Raises `RuntimeError` where
    it does not begin."""
    command = Command((*words, "--port", "0"), folder, surroundings(folder.parent / "home") | environment)
    command.logs = {1: folder.parent / "said", 2: folder.parent / "log"}
    for path in command.logs.values():
        path.unlink(missing_ok=True)
    process = Forked(command.begin())
    try:
        served = Served(process, folder, _address(process, command.logs))
        if words[0] == "lab":
            token = TOKEN.search(served.asked("GET", "/").body)
            served.token = token[1].decode() if token else ""
        yield served
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _address(process: Forked, logs: Mapping[int, Path]) -> str:
    end = time.monotonic() + BEGIN
    while time.monotonic() < end and process.poll() is None:
        if logs[1].exists() and (found := ADDRESS.search(logs[1].read_text(encoding="utf-8"))):
            return found[0]
        time.sleep(0.01)
    raise RuntimeError(logs[2].read_text(encoding="utf-8", errors="replace").strip() or "it does not begin")
