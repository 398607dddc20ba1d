"""The download of the model that a button fetches: told as it comes, stopped, and its errors in one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.data.registry import SOURCES, File, Source
from kqv.errors import DataError
from kqv.lab.sentence import fetching
from kqv.lab.sentence.fetching import Fetching

SOURCE = SOURCES["smollm2"]
Fetch = Callable[[str, Callable[[Source, File], Any]], dict[str, Path]]


def fetched(monkeypatch: pytest.MonkeyPatch, fetch: Fetch) -> tuple[Fetching, list[dict[str, Any]]]:
    """A download by `fetch`, and what the pages are told."""
    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setattr(fetching, "OFTEN", 0.0)
    told: list[dict[str, Any]] = []
    return Fetching("smollm2", lambda topic, state: told.append(state)), told


def ended(found: Fetching) -> dict[str, Any]:
    end = time.monotonic() + 20
    while found.state["runs"] and time.monotonic() < end:
        time.sleep(0.01)
    return found.state


def test_it_tells_bytes_and_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, progress: Callable[[Source, File], Any]) -> dict[str, Path]:
        bar = progress(SOURCE, SOURCE.files[0])
        bar.total = 400
        for _ in range(4):
            time.sleep(0.01)
            bar.update(100)
        return {}

    found, told = fetched(monkeypatch, fetch)
    assert found.start()["runs"]
    assert ended(found)["here"]
    counted = [state for state in told if state["bytes"]]
    assert [state["bytes"] for state in counted[:4]] == [100, 200, 300, 400]
    assert counted[0]["total"] == 400
    assert counted[0]["seconds"] > counted[2]["seconds"] > counted[3]["seconds"] == 0


def test_it_is_stopped_at_its_next_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    began, goes_on, after = threading.Event(), threading.Event(), []

    def fetch(name: str, progress: Callable[[Source, File], Any]) -> dict[str, Path]:
        bar = progress(SOURCE, SOURCE.files[0])
        began.set()
        goes_on.wait(20)
        bar.update(100)
        after.append("more")
        return {}

    found, _ = fetched(monkeypatch, fetch)
    found.start()
    began.wait(20)
    found.stop()
    goes_on.set()
    state = ended(found)
    assert not state["here"]
    assert state["problem"] is None
    assert after == []


def test_what_goes_wrong_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, progress: Callable[[Source, File], Any]) -> dict[str, Path]:
        raise DataError("smollm2: it could not be downloaded\n(no connection)")

    found, _ = fetched(monkeypatch, fetch)
    found.start()
    assert ended(found)["problem"] == "smollm2: it could not be downloaded (no connection)"
