"""The routes of traces: numbers as raw bytes, cells as JSON, and mistakes as one line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from small_trace import trace_of_words

import kqv
from kqv.lab.settings import Settings
from kqv.trace.trace import Trace
from kqv.trace.views.page import page_html


@pytest.fixture
def trace(client: TestClient) -> Trace:
    return _state(client).traces.record(trace_of_words).trace  # its id is 1


def _state(client: TestClient) -> Any:
    return client.app.state.lab  # type: ignore[attr-defined]


def test_a_trace_is_listed_and_described(client: TestClient, trace: Trace) -> None:
    assert [one["id"] for one in client.get("/api/traces").json()] == ["1"]
    found = client.get("/api/traces/1").json()
    assert (found["id"], found["input"], found["model"]) == ("1", "The  pizza  came  out  and  it  tasted", "GPT")
    assert len(found["tensors"]) == len(trace)


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_numbers_are_the_recorded_tensor(client: TestClient, trace: Trace, phase: str) -> None:
    name = "blocks.1.attention.weights"
    answer = client.get(
        "/api/traces/1/numbers", params={"tensor": name, "phase": phase, "window": "head=1, query=2:6, key=:"}
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    sizes = [int(size) for size in answer.headers["x-sizes"].split(",")]
    found = np.frombuffer(answer.content, "<f4").reshape(sizes)
    record = trace[name]
    tensor = record.value if phase == "forward" else record.gradient
    assert tensor is not None
    np.testing.assert_array_equal(found, tensor[:, 1:2, 2:6].numpy())


def test_numbers_of_an_update_and_of_what_it_used(client: TestClient, trace: Trace) -> None:
    for own in ("", ".gradient", ".first_moment"):
        answer = client.get(
            "/api/traces/1/numbers", params={"tensor": f"tokens.weight{own}", "phase": "update", "window": "vocab=3"}
        )
        update = trace.updates["tokens.weight"]
        tensor = update.after if not own else update.tensors()[own[1:]]
        np.testing.assert_array_equal(np.frombuffer(answer.content, "<f4"), tensor[3].numpy())


def test_a_single_number_has_no_sizes(client: TestClient, trace: Trace) -> None:
    answer = client.get("/api/traces/1/numbers", params={"tensor": "cost"})
    assert answer.headers["x-sizes"] == ""
    assert np.frombuffer(answer.content, "<f4").tolist() == [float(trace["cost"].value)]


def test_a_cell_a_path_a_summary_words_and_code(client: TestClient, trace: Trace) -> None:
    found = client.get("/api/traces/1/cell", params={"cell": "logits[0,3,2]"}).json()
    assert found["value"] == float(trace["logits"].value[0, 3, 2])
    assert found["words"] == 'logits[batch 0, position " out", vocab " came"]'
    way = client.get("/api/traces/1/path", params={"cell": "logits[0,3,2]"}).json()
    assert way[0]["words"] == found["words"]
    assert len(way) > 3
    summary = client.get("/api/traces/1/summary", params={"tensor": "logits"}).json()
    assert summary["count"] == trace["logits"].value.numel()
    words = client.get(
        "/api/traces/1/words", params={"tensor": "logits", "dimension": "position", "start": 1, "stop": 3}
    )
    assert words.json() == [" pizza", " came"]
    file, _, line = found["location"].rpartition(":")
    code = client.get("/api/code", params={"file": file, "line": line}).json()
    assert code["lines"][code["line"] - code["start"]].strip()


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("traces/9", {}, "no trace '9'"),
        ("traces/1/cell", {"cell": "nothing[0]"}, "no tensor named 'nothing'"),
        ("traces/1/cell", {"cell": "logits[0,99,0]"}, "not one element"),
        ("traces/1/numbers", {"tensor": "logits", "window": "vocab=3:1"}, "holds nothing"),
        ("traces/1/numbers", {"tensor": "logits", "phase": "update"}, "no update of logits"),
        ("traces/1/words", {"tensor": "logits", "dimension": "head", "start": 0, "stop": 1}, "no dimension 'head'"),
        ("code", {"file": "../pyproject.toml", "line": 1}, "not a file of kqv's own source"),
    ],
)
def test_a_mistake_is_one_line(
    client: TestClient, trace: Trace, path: str, query: dict[str, Any], message: str
) -> None:
    answer = client.get(f"/api/{path}", params=query)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_phase_that_does_not_exist_is_refused(client: TestClient, trace: Trace) -> None:
    assert client.get("/api/traces/1/numbers", params={"tensor": "logits", "phase": "sideways"}).status_code == 422


def test_a_run_is_traced_once_for_one_input(lab_settings: Settings, client: TestClient) -> None:
    kqv.train("digits", steps=1, out=lab_settings.runs / "one")
    first = client.post("/api/traces", json={"model": "one", "input": "3"}).json()
    assert (first["about"]["model"], first["phases"]) == ("one", ["forward", "backward", "update"])
    assert client.post("/api/traces", json={"model": "one", "input": "3"}).json()["id"] == first["id"]
    assert client.post("/api/traces", json={"model": "one", "input": "4"}).json()["id"] != first["id"]


def test_a_page_reads_no_file_by_a_models_input(lab_settings: Settings, client: TestClient, tmp_path: Path) -> None:
    kqv.train("digits", steps=1, out=lab_settings.runs / "one")
    (tmp_path / "secret.png").write_bytes(b"secret")
    answer = client.post("/api/traces", json={"model": "one", "input": str(tmp_path / "secret.png")})
    assert answer.status_code == 400
    assert "by its number" in answer.json()["error"]


def test_a_model_that_the_lab_does_not_have(client: TestClient) -> None:
    answer = client.post("/api/traces", json={"model": "/etc", "input": "a"})
    assert answer.status_code == 400
    assert "has no model '/etc'" in answer.json()["error"]


def test_the_page_of_a_trace_is_the_one_that_the_command_writes(client: TestClient) -> None:
    kept = _state(client).traces.record(trace_of_words)
    answer = client.get(f"/api/traces/{kept.id}/page", params={"word": "it"})
    assert answer.headers["content-disposition"].startswith("attachment")
    command = shlex.join(["kqv", "trace", kept.traced.input])
    assert answer.text == page_html(kept.trace, command=command, word="it")
    wrong = client.get(f"/api/traces/{kept.id}/page", params={"word": "oven"})
    assert wrong.status_code == 400
    assert "the text has no word 'oven'" in wrong.json()["error"]
