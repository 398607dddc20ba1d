"""A real `kqv lab` or `kqv serve`, attacked over its socket for a while: afterwards it is as it was before."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from changed_requests import asked_wrongly
from connections import ROUNDS, still_answers
from forked import forked
from found import Found, Plan, Turn
from killed_labs import lab_processes
from killed_streams import killed_streams
from listeners import Served
from mcp_door import at_the_door

LAB, SERVE = "lab sockets", "serve sockets"

BEYOND = 2 << 30  # bytes that it may hold for a while, beyond what it had
LEFT = 300 << 20  # bytes that it may keep
FILES = 8  # files that it may have open more than before
SETTLING = 30.0  # seconds within which that has to be so


def besieged(turn: Turn, materials: Path) -> Found:
    """Attack a lab or a served model; each round is one of `connections.ROUNDS`, or requests that were changed."""
    name, found, above = turn.name, turn.found, Path(tempfile.mkdtemp(prefix="kqv-siege-"))
    try:
        words = _prepared(name, materials, above / "here")
        with forked(above / "here", *words) as served:
            before = _healthy(served)
            memory, files = served.memory, served.files
            _rounds(turn, served)
            _settled(found, served, before, memory, files)
            _ended(found, served)
            if "Traceback (most recent call last)" in served.log:
                found.fell.append(f"traceback in the log: {served.log.strip().splitlines()[-1][:200]}")
            if found.fell:
                shutil.copy(above / "log", Path(tempfile.gettempdir()) / f"kqv-siege-{name}.log")
    except RuntimeError as failure:
        found.fell.append(f"it does not start: {str(failure).splitlines()[-1]}")
    finally:
        shutil.rmtree(above, ignore_errors=True)
    return found


def _rounds(turn: Turn, served: Served) -> None:
    order, found, chance = list(ROUNDS), turn.found, turn.chance
    chance.shuffle(order)
    while served.process.poll() is None and turn.goes_on():
        title = order[found.tried // 2 % len(order)] if found.tried % 2 else "requests"
        seed = chance.random()
        do: Callable[[Served, Random], str] = ROUNDS.get(title, asked_wrongly)
        said = do(served, Random(seed))
        found.tried += 1
        if said:
            found.fell.append(f"{title} ({seed}): {said}")


def _prepared(name: str, materials: Path, here: Path) -> list[str]:
    """Fill the folder, and the words of the command."""
    here.mkdir()
    if name == LAB:
        for run in materials.glob("run-*"):
            shutil.copytree(run, here / "runs" / run.name)
        (here / "runs" / "link").symlink_to("/etc")
        return ["lab", "--no-browser"]
    shutil.copytree(materials / "models" / "gpt2", here / "gpt2")
    return ["serve", "gpt2"]


def _healthy(served: Served) -> bytes:
    """A seeded answer."""
    path, body = "/v1/completions", {"prompt": "To be", "max_tokens": 12, "seed": 11}
    if served.token:
        path, body = "/api/sentence/write", {"model": "run-gpt", "text": "To be", "tokens": 12, "seed": 11}
    for _ in range(10):
        answer = served.asked("POST", path, json.dumps(body).encode())
        if answer.status == 200:
            return answer.body if served.token else str(json.loads(answer.body)["choices"][0]["text"]).encode()
        time.sleep(1.0)
    return f"{answer.status} {answer.body[:200]!r}".encode()


def _settled(found: Found, served: Served, before: bytes, memory: int, files: int) -> None:
    if served.process.poll() is not None:
        found.fell.append(f"it ended with status {served.process.returncode}")
        return
    if said := still_answers(served):
        found.fell.append(said)
    if (after := _healthy(served)) != before:
        found.fell.append(f"another answer to the same seed: {after[:100]!r}")
    until = time.monotonic() + SETTLING
    while (served.files > files + FILES or served.memory > memory + LEFT) and time.monotonic() < until:
        time.sleep(0.5)
    if served.files > files + FILES:
        found.fell.append(f"{served.files} files open, {files} before")
    if served.memory > memory + LEFT:
        found.fell.append(f"{served.memory >> 20} MiB held, {memory >> 20} before")
    if served.most_memory > memory + BEYOND:
        found.fell.append(f"{served.most_memory >> 20} MiB held for a while")


def _ended(found: Found, served: Served) -> None:
    """It stops when it is asked to, and its port is free again."""
    if served.process.poll() is not None:
        return
    status = served.ended(signal.SIGINT)
    if status:
        found.fell.append(f"it ended with status {status}")
    there = urlsplit(served.address)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((there.hostname, there.port))


def _of(name: str) -> Callable[[Path, Plan], Iterator[Found]]:
    def attacks(materials: Path, plan: Plan) -> Iterator[Found]:
        (turn,) = plan.turns(name, [name])
        yield besieged(turn, materials)

    return attacks


SERVED = {
    **{name: _of(name) for name in (LAB, SERVE)},
    "lab processes": lab_processes, "streams": killed_streams, "mcp": at_the_door,
}  # fmt: skip
"""The kinds of this module, as those of processes."""
