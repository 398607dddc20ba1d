"""What is wrong with an end is seen: a stream without end, a traceback, a status; every tool of the door is called."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi", reason="the lab is not installed")
pytest.importorskip("mcp", reason="mcp is not installed")
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the attacks need Linux")

if Path("/proc/self/stat").exists():
    from killed_labs import BUSY, OVER, ended_well, processes_in
    from killed_streams import _heard
    from mcp_door import CALLS, LINES, TOOLS, drawn


def test_a_client_that_hangs_is_seen() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.05)
        assert _heard(ours) == "a client hangs"
        theirs.sendall(b"data: Traceback (most recent call last)")
        theirs.shutdown(socket.SHUT_RDWR)
        assert "traceback" in _heard(ours)
        assert _heard(ours) == ""


@pytest.mark.parametrize(("status", "log", "words"), [
    (0, "", ""), (-15, "", ""), (143, "stopped", ""), (1, "error: no", "status 1"),
    (0, "Traceback (most recent call last):\nValueError: no", "traceback: ValueError: no"),
])  # fmt: skip
def test_a_wrong_end_is_seen(status: int, log: str, words: str) -> None:
    served = SimpleNamespace(ended=lambda _: status, log=log)
    found = ended_well(served, signal.SIGTERM)  # type: ignore[arg-type]
    assert words in found if words else not found


def test_states_are_those_that_the_lab_tells() -> None:
    from kqv.lab.training import watched

    assert BUSY == watched.BUSY
    assert not set(BUSY) & set(OVER)


def test_what_works_in_a_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    assert processes_in(tmp_path) == []
    monkeypatch.chdir(tmp_path / "here")
    (own,) = processes_in(tmp_path)
    assert processes_in(tmp_path, own) == []


def test_every_tool_is_called_and_messages_are_lines() -> None:
    assert set(TOOLS) <= {name for name, _ in CALLS}
    drawings = [[drawn(Random(seed), 1)[0] for seed in range(200)] for _ in range(2)]
    assert drawings[0] == drawings[1]
    assert all(b"\n" not in line for line in (*drawings[0], *LINES))
    assert len({json.dumps(line.decode("latin-1")) for line in drawings[0]}) > 100
