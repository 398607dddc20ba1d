"""A lab that is ended in the midst of a training or a comparison that it started.

A lab that is killed leaves what it started alone; one that is asked to end has it save, and end. Either way the next
lab shows how it stands, and can let it go on to the same result; and nothing runs that nobody knows of.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from forked import forked
from found import Found, Plan
from jobs import _files, _timeless
from kills import different, state
from listeners import SECONDS, Served

WAIT = 240.0  # seconds for something to be finished
ENDING = 20.0  # seconds within which what was killed is gone, and the end of a stream is read
BUSY = ("starting", "running", "stopping")
OVER = ("stopped", "died", "finished")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Work:
    """What a lab can start: its routes under `root`, what is asked, and what of its result has to be the same."""

    root: str
    one: str
    asked: dict[str, Any]
    result: Callable[[Path], dict[str, Any]]

    def begin(self, lab: Served) -> str:
        """Start it; the name of its folder."""
        answer = lab.asked("POST", f"{self.root}/start", json.dumps(self.asked).encode())
        if answer.status != 200:
            raise RuntimeError(f"it is not started: {answer.status} {answer.body[:200]!r}")
        return str(json.loads(answer.body)["name"])

    def state(self, lab: Served, name: str) -> str:
        """What the lab says of it; "gone" where it knows of none."""
        answer = lab.asked("GET", self.one.format(quote(name)))
        if answer.status == 400:
            return "gone"
        return str(json.loads(answer.body)["state"]) if answer.status == 200 else f"{answer.status}"

    def finish(self, lab: Served, name: str) -> str:
        """Let it go on, as often as it has to; the name of what is finished in the end."""
        end, begun = time.monotonic() + WAIT, 0
        while (now := self.state(lab, name)) != "finished":
            if time.monotonic() > end or begun > 1:
                raise RuntimeError(f"it is {now}, and not finished")
            if now == "gone":
                name, begun = self.begin(lab), begun + 1
            elif now in OVER:
                self._go_on(lab, name)
                begun += 1
            time.sleep(0.1)
        return name

    def _go_on(self, lab: Served, name: str) -> None:
        answer = lab.asked("POST", f"{self.root}/continue", json.dumps({"name": name}).encode())
        if answer.status != 200:
            raise RuntimeError(f"it cannot go on: {answer.body[:200]!r}")


def _answered(folder: Path) -> dict[str, Any]:
    """The files of a comparison, without what never is the same twice, such as its own name."""
    answer = (folder / "answer.json").read_text(encoding="utf-8").replace(folder.name, "it")
    return _files(folder) | {"answer.json": _timeless(json.loads(answer))}


WORKS = {
    "training": Work(
        "/api/training", "/api/training/runs/{}",
        {"system": "digits", "changes": {"layers": 1, "width": 8, "batch": 10, "seed": 1, "steps": 400}}, state,
    ),
    "comparison": Work(
        "/api/questions", "/api/questions/{}", {"what": "digits", "vary": {"width": "4,5"}, "seeds": 2, "steps": 60},
        _answered,
    ),
}  # fmt: skip


def lab_processes(materials: Path, plan: Plan) -> Iterator[Found]:
    """End labs in the midst of each work, as often as is planned."""
    for turn in plan.turns("lab processes", WORKS, "lab killed, its {}"):
        work, chance, found = WORKS[turn.name], turn.chance, turn.found
        with tempfile.TemporaryDirectory(prefix="kqv-labs-") as above:
            began = time.monotonic()
            wanted = _undisturbed(work, Path(above) / "whole")
            seconds = time.monotonic() - began
            while turn.goes_on():
                one = _Kill(chance.choice(SIGNALS), chance.random() < 0.5, chance.random() * seconds)
                folder = Path(above) / f"try-{found.tried}"
                try:
                    said = _one(work, one, folder, wanted)
                except (RuntimeError, ValueError) as failure:
                    said = str(failure)
                finally:
                    for process in processes_in(folder):
                        with suppress(OSError):
                            os.kill(process, signal.SIGKILL)
                found.tried += 1
                if said:
                    found.fell.append(f"{one}: {said}")
                shutil.rmtree(folder, ignore_errors=True)
        yield found


@dataclass(frozen=True)
class _Kill:
    """A signal to the lab after some seconds; `too`: what it started is killed after it."""

    number: signal.Signals
    too: bool
    after: float

    def __str__(self) -> str:
        return f"{self.number.name} after {self.after:.2f} s{', its process too' if self.too else ''}"


def _undisturbed(work: Work, above: Path) -> dict[str, Any]:
    with _lab(above) as lab:
        name = work.finish(lab, work.begin(lab))
        lab.ended()
    return work.result(above / "here" / "runs" / name)


def _one(work: Work, kill: _Kill, above: Path, wanted: dict[str, Any]) -> str:
    with _lab(above) as lab:
        name = work.begin(lab)
        time.sleep(kill.after)
        said = ended_well(lab, kill.number)
    if said:
        return said
    lives = bool(processes_in(above))
    if lives and kill.number != signal.SIGKILL:
        return "what it started still runs"
    if kill.too:
        for process in processes_in(above):
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        _until_none(above)
    with _lab(above) as lab:
        if said := _misstated(work, lab, name, above):
            return said
        name = work.finish(lab, name)
        said = ended_well(lab, signal.SIGINT)
    _until_none(above)  # what is finished may still be on its way out
    if said or processes_in(above):
        return said or "a process was left"
    differing = different(work.result(above / "here" / "runs" / name), wanted)
    return f"other than undisturbed: {', '.join(differing)[:200]}" if differing else ""


def _misstated(work: Work, lab: Served, name: str, above: Path) -> str:
    """Nothing once the lab says of the work what holds. It may take a while: what has just been started has no folder
    yet, and what is finished is a process still."""
    end = time.monotonic() + ENDING
    while True:
        lives, shown = bool(processes_in(above, lab.process.pid)), work.state(lab, name)
        if shown in (BUSY if lives else (*OVER, "gone")):
            return ""
        if time.monotonic() > end:
            return f"{'something' if lives else 'nothing'} runs, and the new lab says: {shown}"
        time.sleep(0.05)


def ended_well(served: Served, number: signal.Signals) -> str:
    """End what serves; nothing, or what is wrong with its end."""
    status = served.ended(number)
    if status == -signal.SIGKILL != -number:
        return f"it did not end within {SECONDS:.0f} s"
    if status not in (0, -number, 128 + number):
        return f"it ended with status {status}"
    log = served.log
    return f"traceback: {log.strip().splitlines()[-1][:200]}" if "Traceback (most recent call last)" in log else ""


def _lab(above: Path) -> Any:
    (above / "here").mkdir(parents=True, exist_ok=True)
    return forked(above / "here", "lab", "--no-browser", KQV_CHECKPOINT_SECONDS="0.2")


def processes_in(above: Path, *known: int) -> list[int]:
    """The processes that work in a folder, but for those that are known."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) not in known:
            with suppress(OSError):
                if (entry / "cwd").readlink() == above / "here":
                    found.append(int(entry.name))
    return found


def _until_none(above: Path) -> None:
    end = time.monotonic() + ENDING
    while processes_in(above) and time.monotonic() < end:
        time.sleep(0.02)
