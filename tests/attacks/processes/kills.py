"""SIGKILL at random moments of trainings of every system; what is resumed has to end in the same bits.

A third of the kills come at a random time. The others come right before or after something that changes what stands on
the disk: a file is opened, made sure of (then it may be half there), renamed or removed, a line is added (then it may
be half there). Some trainings are whole processes of their own; the others are forked.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from commands import Command
from found import Found, Plan
from moments import Moment
from trainings import add_recipes, again, trainings

from kqv.tensors import header_of, opened, read_tensors
from kqv.training.run import Run

EACH_STEP = {"KQV_CHECKPOINT_SECONDS": "0"}
WHOLE = 40  # of so many trainings one is a whole process
CODE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from trainings import add_recipes
add_recipes()
from kqv.__main__ import run
run()
"""


@dataclass(frozen=True)
class Undisturbed:
    """A training that nobody kills: what it left, how long it took, and how many moments it had."""

    words: tuple[str, ...]
    state: dict[str, Any]
    seconds: float
    moments: int


def kills(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many kills of each training as are planned."""
    add_recipes()
    every = trainings(materials)
    for turn in plan.turns("kills", every, "kill {}"):
        with _folder() as above:
            wanted = undisturbed(every[turn.name], Path(above))
            while turn.goes_on():
                folder = Path(above) / "training"
                folder.mkdir()
                _one(turn.found, wanted, folder, turn.rounds % WHOLE == WHOLE // 2, turn.chance)
                shutil.rmtree(folder)
        yield turn.found


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="kqv-kills-")


def undisturbed(words: tuple[str, ...], above: Path) -> Undisturbed:
    """Train once to the end."""
    folder, count = above / "undisturbed", above / "moments"
    folder.mkdir()
    begin = time.monotonic()
    ended = Command(words, folder, EACH_STEP, Moment(count=count)).begin().ended()
    if ended.status:
        raise RuntimeError(f"{' '.join(words)}: {ended.err}")
    seconds = time.monotonic() - begin
    return Undisturbed(words, state(folder / "run"), seconds, int(count.read_text()))


def _one(found: Found, wanted: Undisturbed, folder: Path, whole: bool, chance: Random) -> None:
    """One training, killed one to four times, and then resumed to its end."""
    log = []
    for _ in range(chance.randint(1, 4)):
        words = again(wanted.words, folder)
        died, how = _killed_process(words, folder, chance) if whole else _killed(words, folder, wanted, chance)
        log.append(how)
        found.tried += died
    ended = Command(again(wanted.words, folder), folder, EACH_STEP).begin().ended()
    if why := ended.fell or (f"status {ended.status}: {ended.last}" if ended.status else ""):
        found.fell.append(f"{why}, after {'; '.join(log)}")
    elif differing := different(state(folder / "run"), wanted.state):
        found.fell.append(f"other than undisturbed: {', '.join(differing)[:200]}, after {'; '.join(log)}")


def _killed(words: tuple[str, ...], folder: Path, wanted: Undisturbed, chance: Random) -> tuple[bool, str]:
    if chance.random() < 1 / 3:
        command, after = Command(words, folder, EACH_STEP).begin(), chance.random() * wanted.seconds
        time.sleep(after)
        command.send(signal.SIGKILL)
        how = f"{after:.3f} s"
    else:
        at, torn = chance.randint(1, wanted.moments), chance.choice((None, chance.random()))
        command, how = Command(words, folder, EACH_STEP, Moment(at, torn)).begin(), f"moment {at} torn {torn}"
    return command.ended().status == -signal.SIGKILL, how


def _killed_process(words: tuple[str, ...], folder: Path, chance: Random) -> tuple[bool, str]:
    """A process of its own: it takes seconds to import what it needs, so the time is counted from its first file on."""
    begun = subprocess.Popen(
        [sys.executable, "-c", CODE, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **EACH_STEP},
    )  # fmt: skip
    before = _newest(folder)
    while begun.poll() is None and _newest(folder) == before:
        time.sleep(0.002)
    after = chance.random() * 0.5
    time.sleep(after)
    begun.send_signal(signal.SIGKILL)
    return begun.wait() == -signal.SIGKILL, f"{after:.3f} s after its first file, as a whole process"


def _newest(folder: Path) -> float:
    return max((path.stat().st_mtime for path in (folder, *folder.glob("run")) if path.exists()), default=0.0)


def state(path: Path) -> dict[str, Any]:
    """All that a run is to hold again, without the times."""
    run, found = Run(path), {}
    for name in sorted(file.name for file in path.iterdir()):
        if name.endswith(".safetensors"):
            tensors, _ = read_tensors(path / name)
            found |= {f"{name}/{part}": tensor.numpy().tobytes() for part, tensor in tensors.items()}
            found[f"{name}'s header"] = _timeless(opened(path / name, header_of))
        elif not name.endswith(".jsonl"):
            found[name] = (path / name).read_bytes()
    lines = {"metrics.jsonl": run.metrics(), "samples.jsonl": run.samples()}
    return found | {name: [_timeless(line) for line in content] for name, content in lines.items()}


def _timeless(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in ("seconds", "seal")}


def different(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """The names of what is not the same."""
    return [name for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
