"""`kqv serve` and `kqv lab` ended while streams are open: their clients hear of it, and the port is free again."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from connections import stream
from forked import forked
from found import Found, Plan
from killed_labs import ENDING, SIGNALS, ended_well, processes_in
from listeners import Served

KEPT_WAITING = 5.0  # seconds that a client waits for the end of its stream at most, after the server's own end
COMMANDS = ("serve", "lab")


def killed_streams(materials: Path, plan: Plan) -> Iterator[Found]:
    """So many of each as are planned, by a random signal."""
    for turn in plan.turns("streams", COMMANDS, "{} killed, its streams"):
        chance, found = turn.chance, turn.found
        with tempfile.TemporaryDirectory(prefix="kqv-streams-") as above:
            words, here = prepared(turn.name, materials, Path(above) / "here")
            while turn.goes_on():
                signals, clients, after = chance.choice(SIGNALS), chance.randrange(1, 20), chance.random() * 1.5
                found.tried += 1
                try:
                    with forked(here, *words) as served:
                        said = _one(served, signals, clients, after)
                    said = said or ("a process was left" if processes_in(Path(above)) else "")
                except RuntimeError as failure:
                    said = f"it does not begin: {str(failure).splitlines()[-1]}"
                if said:
                    found.fell.append(f"{signals.name} after {after:.2f} s, {clients} clients: {said}")
        yield found


def prepared(command: str, materials: Path, here: Path) -> tuple[tuple[str, ...], Path]:
    """The words of a command that serves, and the folder with what it needs."""
    here.mkdir()
    if command == "lab":
        shutil.copytree(materials / "run-gpt", here / "runs" / "run-gpt")
        return ("lab", "--no-browser"), here
    shutil.copytree(materials / "models" / "gpt2", here / "gpt2")
    return ("serve", "gpt2"), here


def _one(served: Served, number: signal.Signals, clients: int, after: float) -> str:
    """Open streams, end it, and look what each client hears; what fell."""
    there = urlsplit(served.address)
    with ExitStack() as stack:
        held = [stack.enter_context(served.connected(KEPT_WAITING)) for _ in range(clients)]
        for connection in held:
            connection.sendall(stream(served))
        time.sleep(after)
        if said := ended_well(served, number):
            return said
        for connection in held:
            if said := _heard(connection):
                return said
    with socket.socket() as again:  # as the next one does
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            again.bind((there.hostname, there.port))
        except OSError as failure:
            return f"its port is not free: {failure}"
    return ""


def _heard(connection: socket.socket) -> str:
    """Read a stream to its end; nothing where it ends in time, with an end or an error."""
    began, found = time.monotonic(), b""
    try:
        while part := connection.recv(1 << 16):
            found += part
            if time.monotonic() - began > ENDING:
                return "a client's stream goes on"
    except TimeoutError:
        return "a client hangs"
    except OSError:  # broken off, which a client sees as an error
        pass
    return "a client was told of a traceback" if b"Traceback (most recent" in found else ""
