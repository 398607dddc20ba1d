"""A whole adder on one page: the columns of its sum, and every number of its trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from lab_pages import asking

import kqv
from kqv.data.sums import SIGNS
from kqv.lab.settings import Settings
from kqv.systems.adder.recipes import adder_2
from kqv.trace.cells import PHASES


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    torch.set_num_threads(1)
    runs: Path = tmp_path_factory.mktemp("lab") / "runs"
    kqv.train("adder", recipe=adder_2(), steps=3, out=runs / "adding")
    with asking(Settings(runs=runs)) as found:
        yield found


@pytest.fixture
def identity(page: TestClient) -> str:
    answer = page.post("/api/traces", json={"model": "adding", "input": "58+67"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_the_sum_column_by_column(page: TestClient, identity: str) -> None:
    found = page.get(f"/api/adder/{identity}").json()
    assert (found["digits"], found["first"], found["second"], found["sum"]) == (2, 58, 67, 125)
    assert "".join(found["read"]) == "85+76=52"
    columns = found["columns"]
    assert [(one["first"], one["second"], one["carry"], one["right"]) for one in columns] == [
        (8, 7, 0, 5), (5, 6, 1, 2), (None, None, 1, 1),
    ]  # fmt: skip
    trace = page.app.state.lab.traces[identity].trace  # type: ignore[attr-defined]
    logits = trace["logits"].value[0]
    for one in columns:
        probabilities = torch.softmax(logits[one["position"]].double(), -1)
        assert one["probabilities"] == pytest.approx(probabilities.tolist())
        assert one["said"] == SIGNS[int(probabilities.argmax())]
    assert found["parameters"] == 640


@pytest.mark.parametrize("phase", PHASES)
def test_all_numbers_of_a_phase_in_one_piece(page: TestClient, identity: str, phase: str) -> None:
    header = page.get(f"/api/traces/{identity}").json()
    answer = page.get(f"/api/adder/{identity}/numbers", params={"phase": phase})
    numbers = np.frombuffer(answer.content, "<f4")
    trace = page.app.state.lab.traces[identity].trace  # type: ignore[attr-defined]
    at = 0
    for tensor in header["tensors"]:
        if phase not in tensor["phases"]:
            continue
        count = int(np.prod(tensor["sizes"]))
        record = trace[tensor["name"]]
        real = {"forward": lambda r: r.value, "backward": lambda r: r.gradient,
                "update": lambda r: trace.updates[r.name].after}[phase](record)  # fmt: skip
        np.testing.assert_array_equal(numbers[at : at + count], real.detach().float().numpy().ravel())
        at += count
    assert at == len(numbers) > 600


def test_what_is_no_sum_or_no_trace(page: TestClient) -> None:
    for sum_ in ("5+", "123+4", "a+b"):
        answer = page.post("/api/traces", json={"model": "adding", "input": sum_})
        assert answer.status_code == 400
        assert "\n" not in answer.json()["error"]
    assert page.get("/api/adder/999").status_code == 400
    assert page.get("/api/adder/999/numbers").status_code == 400
