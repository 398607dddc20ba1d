"""Many attacks one after the other in one process, which is forked once for all of them: ten times as many in the same
time. What hangs or dies takes the process with it; the next one goes on behind it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import arena
from arena import OURS, Attack, Outcome

AT_ONCE = 50
_HIGH_WATER = "VmHWM"


def fought_in_batches(attacks: Sequence[Attack]) -> Iterator[Outcome]:
    """Run attacks, each in a fresh folder; the outcome of each, in their order."""
    done = 0
    while done < len(attacks):
        for found in _in_a_process(attacks[done:]):
            done += 1
            yield found


def _in_a_process(attacks: Sequence[Attack]) -> Iterator[Outcome]:
    """The outcomes up to the one that ended the process, or all."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _all(attacks, writing)
    os.close(writing)
    said = _Said(reading, pid)
    for attack in attacks:
        line, computed, why = said.next()
        if line is None:
            yield Outcome(attack, why or _death(pid), "", computed, 0)
            break
        yield Outcome(attack, line["fell"], line["printed"], computed, line["memory"])
    os.close(reading)
    for end in (os.kill, os.killpg):
        with suppress(OSError):
            end(pid, signal.SIGKILL)
    with suppress(OSError):
        os.waitpid(pid, 0)


class _Said:
    """What the process says of its attacks, one line for each."""

    def __init__(self, reading: int, pid: int) -> None:
        self.reading, self.pid, self.content = reading, pid, b""

    def next(self) -> tuple[dict[str, Any] | None, float, str]:
        """What it says of the next one, and the seconds it computed; None and why where it hangs, or nothing more
        comes."""
        begin, since = arena.computed_by(self.pid), time.monotonic()
        last = begin
        while b"\n" not in self.content:
            if select.select([self.reading], [], [], 0.2)[0]:
                part = os.read(self.reading, 1 << 16)
                if not part:
                    return None, last - begin, ""
                self.content += part
                continue
            now = arena.computed_by(self.pid)
            last, since = now, time.monotonic() if now > last else since
            if last - begin > arena.SECONDS or time.monotonic() - since > arena.SECONDS:
                waited = last - begin <= arena.SECONDS
                return None, last - begin, "it waits for ever" if waited else f"it computed for {last - begin:.0f} s"
        line, _, self.content = self.content.partition(b"\n")
        return json.loads(line), arena.computed_by(self.pid) - begin, ""


def _death(pid: int) -> str:
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return f"it died of {signal.Signals(os.WTERMSIG(status)).name}"
    return f"the process ended with {os.WEXITSTATUS(status)}"


def _all(attacks: Sequence[Attack], writing: int) -> None:
    """The process of the attacks; it never returns."""
    with suppress(BaseException):
        arena.limit()
        environment = dict(os.environ)
        for attack in attacks:
            fell, printed, memory = _one(attack)
            os.environ.clear()
            os.environ.update(environment)
            said = {"fell": fell, "printed": printed[-2000:], "memory": memory}
            os.write(writing, json.dumps(said).encode() + b"\n")
    os._exit(0)


def _one(attack: Attack) -> tuple[str, str, int]:
    with arena.fresh_folder() as folder:
        attack.prepare(folder)
        before = arena.contents(folder)
        log = folder.parent / "printed"
        _begin_counting()
        arena.enter(folder, log)
        status = ended(attack)
        os.chdir("/")
        memory = _high_water()
        printed = log.read_text(encoding="utf-8", errors="replace")
        fell = arena.why(status << 8, printed, memory) or arena.changed(attack, before, folder)
        return fell, printed, memory


def ended(attack: Attack) -> int:
    """Do it here; the exit status that a process of its own would have had."""
    try:
        attack.do()
        return 0
    except SystemExit as failure:
        return failure.code if isinstance(failure.code, int) else OURS
    except BaseException:
        traceback.print_exc()
        return OURS
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()


def _begin_counting() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the most memory is counted anew


def _high_water() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(_HIGH_WATER))
