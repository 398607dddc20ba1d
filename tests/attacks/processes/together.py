"""Several processes that train together, as torchrun starts them: one of them is killed, and all end with a line."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch._dynamo  # what several processes import is imported once
import torch.distributed
from commands import Command, Ended
from found import Found, Plan
from kills import EACH_STEP, state
from trainings import add_recipes, trainings

from kqv.systems.system import system_named

assert torch.distributed, system_named("adder")
NUMBERS = (1, 2, 4, 1)
"""How many processes train it further, one after the other."""


def begun_together(words: tuple[str, ...], folder: Path, size: int) -> list[Command]:
    """So many processes with the same words."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "x"}
    return [
        Command(words, folder, EACH_STEP | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, fresh=True).begin()
        for rank in range(size)
    ]


def one_killed(words: tuple[str, ...], folder: Path, size: int, step: int, rank: int) -> list[Ended]:
    """How all ended, one of which was killed when so many steps were made."""
    processes = begun_together(words, folder, size)
    while _steps(folder / "run") < step and not any(one.has_ended for one in processes):
        time.sleep(0.002)
    processes[rank].send(signal.SIGKILL)
    return [one.ended() for one in processes]


def _steps(run: Path) -> int:
    metrics = run / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


def wrong_ends(ended: list[Ended], rank: int) -> str:
    """What is wrong with how they ended, of which one was killed; empty where nothing is."""
    for number, one in enumerate(ended):
        lines = [line for line in one.err.splitlines() if line.startswith("error")]
        if number == rank:
            continue
        if one.fell or one.status != 1 or len(lines) != 1 or "another of the processes" not in lines[0]:
            return f"process {number}: {one.fell or f'status {one.status}: {one.err[-300:]!r}'}"
        if number == 0 and "is saved in run; resume with: kqv train" not in lines[0]:
            return f"the first says: {lines[0]}"
    return ""


def together(materials: Path, plan: Plan) -> Iterator[Found]:
    """One of four processes is killed so often as is planned, 30 times at most."""
    (turn,) = replace(plan, attacks=min(plan.attacks, 30)).turns("together", ["together"], "one of four processes")
    chance, found, words = turn.chance, turn.found, trainings(materials)["adder"]
    add_recipes()
    while turn.goes_on():
        with tempfile.TemporaryDirectory(prefix="kqv-together-") as above:
            folder = Path(above) / "here"
            folder.mkdir()
            step, rank = chance.randrange(1, 9), chance.randrange(1, 4)
            why = wrong_ends(one_killed(words, folder, 4, step, rank), rank)
            why = why or _goes_on(folder)
            found.tried += 1
            if why:
                found.fell.append(f"{why}, process {rank} killed at step {step}")
            shutil.rmtree(folder)
    yield found


def _goes_on(folder: Path) -> str:
    """Whether other numbers of processes train it further, and end."""
    for done, size in enumerate(NUMBERS):
        words = ("train", "adder", "--resume", "run", "--steps", str(20 + 5 * done))
        for one in [process.ended() for process in begun_together(words, folder, size)]:
            if one.fell or one.status:
                return f"resumed by {size}: {one.fell or one.last}"
    return "" if state(folder / "run")["metrics.jsonl"][-1]["step"] == 35 else "it did not end with step 35"
