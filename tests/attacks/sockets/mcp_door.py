"""What comes to `kqv mcp` on its standard input: messages that are none, calls with other arguments, signals, ends."""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import mcp.server.mcpserver
import mcp.server.stdio
from commands import Command
from forked import Forked, surroundings
from found import Found, Plan, Turn
from listeners import SECONDS
from mutations import VALUES, of_bytes, of_json

import kqv.agent.server
import kqv.systems.source
from kqv.agent.tools import Tools

assert kqv.agent.server, kqv.systems.source
assert mcp.server.mcpserver, mcp.server.stdio  # what each process would import
MESSAGES = 25  # of one process
MEMORY = 2 << 30  # bytes that it may hold
HELLO: tuple[dict[str, Any], ...] = (
    {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
)  # fmt: skip
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("runs", {}), ("trace", {"model": "run-gpt", "input": "To be", "tensors": "blocks", "word": None, "most": 3}),
    ("trace", {"model": "latest", "input": "12+34", "tensors": "", "word": "To", "most": 3}),
    ("cell", {"model": "run-gpt", "cells": ["logits[0,1,2]"], "input": "To be"}),
    ("cell", {"model": "run-digits", "cells": ["grad:layers.0.weight[7,30]"], "input": "3"}),
    ("why", {"model": "run-gpt", "text": "To be", "score": None, "token": "o", "after": "e", "against": "T",
             "strongest": None, "without": []}),
    ("why", {"model": "run-gpt", "text": "To be", "score": "blocks.0.attention.scores[0,0,1,0]", "strongest": None}),
    ("comparison", {"folder": "compare-digits"}), ("nothing", {}),
)  # fmt: skip
LINES = (
    b"", b"{}", b"[]", b"null", b"7", b'"x"', b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b"x" * 5_000_000,
    b"\x00", b'{"jsonrpc": "2.0"}', b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', b'{"jsonrpc": "2.0", "id": 3}',
    b'{"jsonrpc": "2.0", "id": null, "method": "tools/list"}', b'{"jsonrpc": "2.0", "id": 1e400, "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}', b'{"jsonrpc": "2.0", "id": 5, "method": "nothing"}',
    b'{"jsonrpc": "2.0", "id": 6, "method": "tools/call"}', b'{"jsonrpc": "2.0", "id": 9, "result": {}}',
    b'{"jsonrpc": "2.0", "id": 8, "method": "initialize", "params": {"protocolVersion": "9999-99-99"}}',
    b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "bad 1"}}',
    b'{"jsonrpc": "2.0", "id": 4, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}',
    b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": 2, "method": "ping"}]',
    b'{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "runs", "arguments": {"a": "'
    + b"y" * 3_000_000 + b'"}}}',
)  # fmt: skip
ENDS = ("input", "output", "in the midst", "SIGINT", "SIGTERM", "SIGKILL", "SIGHUP")
STATUSES = {"SIGINT": (0, 130, -2), "SIGTERM": (143, -15), "SIGHUP": (129, -1), "SIGKILL": (-9,)}
"""What it may end with; where its input or output ends, 0 or 1."""


def at_the_door(materials: Path, plan: Plan) -> Iterator[Found]:
    """As many messages as are planned; after each bad one it still answers a good one, and it ends in time."""
    (turn,) = plan.turns("mcp", ["mcp"])
    with tempfile.TemporaryDirectory(prefix="kqv-mcp-") as above:
        here = Path(above) / "here"
        for run in materials.glob("run-*"):
            shutil.copytree(run, here / "runs" / run.name)
        while turn.goes_on():
            _one_talk(turn, here)
    yield turn.found


def _one_talk(turn: Turn, here: Path) -> None:
    found, chance = turn.found, turn.chance
    with _Talk(here) as talk:
        for message in HELLO:
            talk.say(json.dumps(message).encode())
        if not talk.answers("first"):
            found.fell.append(f"no answer to the first message: {talk.log[-200:]!r}")
        for of in range(1, MESSAGES + 1):
            if of > 1 and not turn.goes_on():
                break
            found.tried += 1
            line, done = drawn(chance, of)
            talk.say(line)
            if not talk.answers(f"good {of}"):
                found.fell.append(f"{done}: no answer to the next message; {line[:200]!r}")
                break
        how = chance.choice(ENDS)
        if said := talk.end(how, chance.random() * 0.3):
            found.fell.append(f"{said}, after {how}")


def drawn(chance: Random, number: int) -> tuple[bytes, str]:
    """A message that is bad, or may be, and what it is."""
    if chance.random() < 0.25:
        line = chance.choice(LINES)
        return line, f"the line {line[:60]!r}"
    name, arguments = chance.choice(CALLS)
    call = {"jsonrpc": "2.0", "id": f"bad {number}", "method": "tools/call",
            "params": {"name": name, "arguments": arguments}}  # fmt: skip
    kind = chance.random()
    if kind < 0.3:
        text, done = of_json(json.dumps(call), chance)
        content = text.encode("utf-8", "surrogatepass")
    elif kind < 0.9 and arguments:
        field = chance.choice(list(arguments))
        arguments = arguments | {field: chance.choice(VALUES)}
        done = f"{name}: {field} is {arguments[field]!r:.40}"
        content = json.dumps(call | {"params": {"name": name, "arguments": arguments}}).encode("utf-8", "surrogatepass")
    else:
        content, done = of_bytes(json.dumps(call).encode(), chance)
    return content.replace(b"\n", b" "), done


class _Talk:
    """A forked `kqv mcp` that is talked to, and what it says."""

    def __init__(self, here: Path) -> None:
        self.heard: queue.Queue[bytes] = queue.Queue()
        reading, self.writing = os.pipe()
        self.reading, writing = os.pipe()

        def joined() -> None:
            os.dup2(reading, 0)
            os.dup2(writing, 1)
            for number in (reading, writing, self.reading, self.writing):
                os.close(number)

        command = Command(("mcp",), here, surroundings(here.parent / "home"), before=joined)
        command.logs = {1: here.parent / "said", 2: here.parent / "log"}
        self.log_file = command.logs[2]
        self.log_file.unlink(missing_ok=True)
        self.process = Forked(command.begin())
        os.close(reading)
        os.close(writing)
        self.deaf = threading.Event()
        self.thread = threading.Thread(target=self._hear, daemon=True)
        self.thread.start()

    @property
    def log(self) -> str:
        """What it said on standard error."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._close("writing")
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join()

    def _close(self, name: str) -> None:
        if (number := getattr(self, name)) >= 0:
            setattr(self, name, -1)
            os.close(number)

    def _hear(self) -> None:
        content = b""
        with os.fdopen(self.reading, "rb", buffering=0) as stream:
            while not self.deaf.is_set():
                if not select.select([stream], [], [], 0.1)[0]:
                    continue
                if not (part := stream.read(1 << 16)):
                    return
                *lines, content = (content + part).split(b"\n")
                for line in lines:
                    self.heard.put(line)

    def say(self, line: bytes) -> None:
        """Write a line; it has to be taken in time."""
        rest, end = line + b"\n", time.monotonic() + SECONDS
        os.set_blocking(self.writing, False)
        while rest and time.monotonic() < end and self.process.poll() is None:
            try:
                rest = rest[os.write(self.writing, rest) :]
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                return

    def answers(self, identity: str) -> bool:
        """Whether a good message is answered in time."""
        self.say(json.dumps({"jsonrpc": "2.0", "id": identity, "method": "tools/list"}).encode())
        for _ in self.process.working(SECONDS):
            with suppress(queue.Empty):
                if json.dumps(identity).encode() in self.heard.get(timeout=0.1):
                    return True
        return any(json.dumps(identity).encode() in self.heard.get() for _ in range(self.heard.qsize()))

    def end(self, how: str, after: float) -> str:
        """Close a stream or send a signal while it works, and wait; what is wrong with its end."""
        most = self._most_memory()
        if how == "in the midst":
            with suppress(OSError):
                os.write(self.writing, b'{"jsonrpc": "2.0", "id": 7, "met')
        elif how != "input":
            if how == "output":
                self.deaf.set()
                self.thread.join()
            call = {"name": "trace", "arguments": {"model": "run-gpt", "input": "To be", "most": 3}}
            self.say(json.dumps({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": call}).encode())
            time.sleep(after)
        if how in STATUSES:
            self.process.send_signal(getattr(signal, how))
        else:
            self._close("writing")
        if not self.process.ends(SECONDS):
            return "it does not end"
        if self.process.returncode not in STATUSES.get(how, (0, 1)):
            return f"it ended with status {self.process.returncode}"
        if "Traceback (most recent call last)" in self.log:
            return f"traceback: {self.log.strip().splitlines()[-1][:200]}"
        return f"it held {most >> 20} MiB" if most > MEMORY else ""

    def _most_memory(self) -> int:
        with suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(text.partition("VmHWM:")[2].split()[0]) << 10
        return 0


TOOLS = [tool.__name__ for tool in Tools(None).all()]  # type: ignore[arg-type]
"""The names of the tools: each is among the calls."""
