"""SIGKILL at random moments of trainings of every system; what is resumed has to end in the same bits."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from materials import SMALL, data_of

import kqv
from kqv.tensors import read_tensors
from kqv.training import loop
from kqv.training.run import Run

STEPS = 12
CHANGES: dict[str, dict[str, Any]] = {
    "digits": {"batch": 20}, "adder": SMALL, "gpt": {"context": 16, **SMALL}, "translate": SMALL,
}  # fmt: skip


@dataclass
class Kills:
    """How many kills there were of trainings of a system, how many of these while a run was there, and what fell."""

    system: str
    tried: int
    resumed: int
    fell: list[str]


def killed(system: str, kills: int, materials: Path, chance: Random) -> Kills:
    """Kill trainings of a system so often; each is resumed, and killed again, until it ends."""
    found = Kills(system, 0, 0, [])
    above = Path(tempfile.mkdtemp(prefix="kqv-kills-"))
    try:
        begin = time.monotonic()
        _ended(_started(lambda: _train(system, materials, above / "whole")))
        took, wanted = time.monotonic() - begin, _state(above / "whole")
        while found.tried < kills:
            _one(found, materials, above / f"run-{found.tried}", took, wanted, chance)
    finally:
        shutil.rmtree(above, ignore_errors=True)
    return found


def _one(found: Kills, materials: Path, path: Path, took: float, wanted: dict[str, Any], chance: Random) -> None:
    """One training, killed one to three times."""
    for _ in range(chance.randint(1, 3)):
        there = (path / "config.json").exists()
        pid = _started(lambda: _train(found.system, materials, path))
        time.sleep(chance.random() * took)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        found.tried += 1
        found.resumed += there
    status = _ended(_started(lambda: _train(found.system, materials, path)))
    if status:
        found.fell.append(f"{found.system}: the resumed training ended with status {status}")
    elif differing := [name for name, value in _state(path).items() if value != wanted[name]]:
        found.fell.append(f"{found.system}: another result after {found.tried} kills: {', '.join(differing)}")
    shutil.rmtree(path, ignore_errors=True)


def _train(system: str, materials: Path, path: Path) -> None:
    loop.CHECKPOINT_SECONDS = 0.0
    os.environ["KQV_CHECKPOINT_SECONDS"] = "0"
    from kqv.systems.changes import Changes
    from kqv.systems.system import Asked, Watcher, system_named
    from kqv.systems.training import begin, resume
    from kqv.training.distributed import Group

    chosen, group = system_named(system), Group(device=torch.device("cpu"))
    if (path / "config.json").exists():
        trainer = resume(chosen, Run(path), group, Watcher(), checkpoint_seconds=0.0)
    else:
        asked = Asked(None, Changes(data=data_of(system, materials), steps=STEPS, **CHANGES[system]))
        trainer = begin(chosen, asked, path, group, Watcher(), checkpoint_seconds=0.0).trainer
    trainer.train()


def _started(do: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, 1)
        do()
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _state(path: Path) -> dict[str, Any]:
    """All that a run is to hold again, without the times."""
    run = Run(path)
    found: dict[str, Any] = {
        "measurements": [{k: v for k, v in line.items() if "second" not in k} for line in run.metrics()],
    }  # fmt: skip
    for file in (run.model_file, run.checkpoint_file):
        tensors, _ = read_tensors(file)
        found |= {f"{file.name}/{name}": tensor.numpy().tobytes() for name, tensor in tensors.items()}
    return found


assert kqv
