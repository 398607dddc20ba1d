"""One attack in a process of its own, with limits: what it printed, how it ended, what it took and what it changed.

The process is forked from one that has everything imported, so that an attack costs what it does and no more.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20.0
"""Of computing, or of waiting for something that does not come."""

MEMORY = 2 << 30  # bytes that an attack may really hold
SPACE = 12 << 30  # bytes that it may reserve: beyond, the system refuses
LARGEST_FILE = 1 << 30
OURS = 70  # exit status of what was not caught
STATUSES = (0, 1, 2, 130)
"""What the command line promises to end with."""

_LOGGING = os.O_CREAT | os.O_WRONLY | os.O_APPEND
_TICK = os.sysconf("SC_CLK_TCK")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x9b]")


@dataclass(frozen=True)
class Attack:
    """What is tried: its `kind`, what it is in a line, and what it does in a folder of its own that `prepare` filled.

    `keeps`: whether every file that it finds has to be there afterwards as it was.
    """

    kind: str
    title: str
    prepare: Callable[[Path], None]
    do: Callable[[], None]
    keeps: bool = True


@dataclass(frozen=True)
class Outcome:
    """How an attack ended: `fell` says why it fell, and is empty where it was survived."""

    attack: Attack
    fell: str
    printed: str
    seconds: float
    memory: int


def fought(attack: Attack) -> Outcome:
    """Run one attack in a fresh folder, in a process of its own."""
    with fresh_folder() as folder:
        attack.prepare(folder)
        before = contents(folder)
        log = folder.parent / "printed"
        pid = os.fork()
        if pid == 0:
            _be(attack, folder, log)
        status, used, hung = _watched(pid)
        printed = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        memory = used.ru_maxrss * 1024
        fell = hung or why(status, printed, memory) or changed(attack, before, folder)
        return Outcome(attack, fell, printed, used.ru_utime + used.ru_stime, memory)


def _be(attack: Attack, folder: Path, log: Path) -> None:
    """The attack's own process; it never returns."""
    status = OURS
    try:
        limit()
        enter(folder, log)
        attack.do()
        status = 0
    except SystemExit as failure:
        status = failure.code if isinstance(failure.code, int) else OURS
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def limit() -> None:
    """A session of its own for this process, with the limits of an attack."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
    for what, most in ((resource.RLIMIT_AS, SPACE), (resource.RLIMIT_FSIZE, LARGEST_FILE), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python has it: an error, not a death


def enter(folder: Path, log: Path) -> None:
    """Go into an attack's folder; what is printed from now on goes to its log."""
    for number, opened in ((0, os.open(os.devnull, os.O_RDONLY)), (1, os.open(log, _LOGGING)), (2, 1)):
        os.dup2(opened, number)
        if opened > 2:
            os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    os.environ |= {"HOME": str(folder.parent / "home"), "XDG_CACHE_HOME": str(folder.parent / "home")}
    os.chdir(folder)


def _watched(pid: int) -> tuple[int, resource.struct_rusage, str]:
    """Wait for the process; stop it where it hangs."""
    hung, computed, progress = "", 0.0, time.monotonic()
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            break
        now = computed_by(pid)
        if now > computed:
            computed, progress = now, time.monotonic()
        if computed > SECONDS or time.monotonic() - progress > SECONDS:
            hung = f"it computed for {computed:.0f} s and was stopped" if computed > SECONDS else "it waits for ever"
            os.kill(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
            break
        time.sleep(0.01)
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)  # what it left behind
    return status, used, hung


def computed_by(pid: int) -> float:
    """Seconds that a process has computed."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK
    return 0.0


def why(status: int, printed: str, memory: int) -> str:
    """Why a process fell that ended so; empty where it did not."""
    if os.WIFSIGNALED(status):
        return f"it died of {signal.Signals(os.WTERMSIG(status)).name}"
    if "Traceback (most recent call last)" in printed:
        return f"traceback: {printed.strip().splitlines()[-1][:200]}"
    code = os.WEXITSTATUS(status)
    if code not in STATUSES:
        return f"exit status {code}"
    if memory > MEMORY:
        return f"it held {memory / 2**30:.1f} GiB"
    last = printed.strip().splitlines()[-1] if printed.strip() else ""
    if code == 1 and not last.startswith(("error: ", "not sent: ")):
        return f"no error in one line, but: {last[:200]}"
    if found := _CONTROL.search(printed):
        return f"the control character {found[0]!r} reached the terminal"
    return ""


def changed(attack: Attack, before: dict[str, str], folder: Path) -> str:
    """What is not as it was before; empty where all is."""
    after = contents(folder)
    if attack.keeps:
        lost = [name for name, found in before.items() if after.get(name) != found]
        if lost:
            return f"lost or changed: {lost[0]}"
    strange = [path.name for path in folder.parent.iterdir() if path.name not in (folder.name, "printed", "home")]
    return f"written outside: {strange[0]}" if strange else ""


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder for one attack, with nothing but `home` beside it."""
    above = Path(tempfile.mkdtemp(prefix="kqv-attack-"))
    try:
        (above / "home").mkdir()
        (above / "here").mkdir()
        yield above / "here"
    finally:
        for folder, _, _ in os.walk(above):
            with suppress(OSError):
                Path(folder).chmod(0o700)
        shutil.rmtree(above, ignore_errors=True)


def contents(folder: Path) -> dict[str, str]:
    """What regular files hold, by their path; of all else what it is."""
    found: dict[str, str] = {}
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[str(path)] = oct(path.lstat().st_mode)
        elif path.is_file() and os.access(path, os.R_OK) and path.stat().st_size < LARGEST_FILE:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
