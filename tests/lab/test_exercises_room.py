"""The exercises in a page: written, kept, checked, explained, trained with; and refused to all but pages here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lab_pages import asking

from kqv.lab.exercises import training
from kqv.lab.guard import PAGE_TOKEN
from kqv.lab.settings import Settings
from kqv.workshop import checking, progress
from kqv.workshop.catalogue import exercise, names
from kqv.workshop.process import Limits
from kqv.workshop.template import solution, template

NAME = "sigmoid"


@pytest.fixture
def page(here: Path, lab_settings: Settings) -> Iterator[TestClient]:
    with asking(lab_settings) as found:
        yield found


def asked(page: TestClient, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = page.post(f"/api/exercises/{path}", json=body or {})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def right() -> str:
    return solution(exercise(NAME))


def wrong() -> str:
    return right().replace("1.0 + small", "1.0 - small")


def test_the_list_and_one_with_all_that_is_known(page: TestClient) -> None:
    found = page.get("/api/exercises").json()
    assert [one["name"] for one in found["exercises"]] == names()
    assert found["next"] == names()[0]
    assert found["runs code"] is True
    one = page.get(f"/api/exercises/{NAME}").json()
    chosen = exercise(NAME)
    assert one["text"] == template(chosen)
    assert one["digest"] == ""
    assert one["solution"] is None
    assert [function["call"] for function in one["functions"]] == [function.call for function in chosen.functions]
    assert one["functions"][0]["takes"][0]["axes"] == chosen.functions[0].takes[0].axes
    assert not Path("rebuild").exists(), "looking at an exercise writes nothing"


def test_a_right_solution_passes_and_is_kept(page: TestClient) -> None:
    found = asked(page, f"{NAME}/check", {"text": right()})
    assert found["passed"] is True
    assert Path("rebuild", f"{NAME}.py").read_text(encoding="utf-8") == right()
    known = page.get("/api/exercises").json()["exercises"]
    assert next(one for one in known if one["name"] == NAME)["state"] == "passed"
    assert page.get(f"/api/exercises/{NAME}").json()["solution"] == right()
    assert progress.read(Path("rebuild")).exercises[NAME].passed == found["digest"]


def test_a_wrong_solution_is_explained(page: TestClient) -> None:
    text = template(exercise(NAME)).replace('raise NotImplementedError("to be written")', "return np.exp(-z)", 1)
    found = asked(page, f"{NAME}/check", {"text": text})
    assert found["passed"] is False
    finding = found["functions"][0]["finding"]
    assert finding["headline"]
    assert finding["mistake"] or finding["details"]
    assert page.get(f"/api/exercises/{NAME}").json()["state"] == "begun"


def test_code_that_python_cannot_read(page: TestClient) -> None:
    found = asked(page, f"{NAME}/check", {"text": "def sigmoid(z:\n"})
    assert found["finding"]["headline"].startswith("Python cannot read it")


def test_a_program_that_never_ends_is_stopped(page: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "Limits", lambda: Limits(seconds=1.0))
    begin = time.monotonic()
    found = asked(page, f"{NAME}/check", {"text": "import numpy as np\ndef sigmoid(z):\n    while True: pass\n"})
    assert "a loop that never ends" in found["functions"][0]["finding"]["headline"]
    assert "while True" in " ".join(found["functions"][0]["finding"]["details"])
    assert time.monotonic() - begin < 60
    assert page.get("/api/exercises").status_code == 200


def test_what_somebody_else_wrote_meanwhile_is_kept(page: TestClient) -> None:
    first = asked(page, f"{NAME}/save", {"text": "# mine\n"})
    assert first["kept"] is None
    Path("rebuild", f"{NAME}.py").write_text("# from an editor\n", encoding="utf-8")
    second = asked(page, f"{NAME}/save", {"text": "# mine, longer\n", "before": first["digest"]})
    assert Path(second["kept"]).read_text(encoding="utf-8") == "# from an editor\n"
    third = asked(page, f"{NAME}/save", {"text": "# longer still\n", "before": second["digest"]})
    assert third["kept"] is None
    assert Path("rebuild", f"{NAME}.py").read_text(encoding="utf-8") == "# longer still\n"
    kept = asked(page, f"{NAME}/reset")
    assert Path(kept["kept"]).read_text(encoding="utf-8") == "# longer still\n"
    assert kept["text"] == template(exercise(NAME))


def test_hints_come_one_by_one_and_then_the_solution(page: TestClient) -> None:
    hints = exercise(NAME).hints
    for number in range(1, len(hints) + 1):
        found = asked(page, f"{NAME}/hint")
        assert found["hints"] == list(hints[:number])
        assert found["more hints"] == len(hints) - number
    assert found["solution"] == right()


def wait_for_the_end(page: TestClient, seconds: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state: dict[str, Any] = page.get("/api/exercises").json()["training"]
        if not state["running"]:
            return state
        time.sleep(0.1)
    raise AssertionError("the training did not end")


def test_the_real_training_runs_on_the_learners_function(page: TestClient) -> None:
    told: list[dict[str, Any]] = []
    lab = page.app.state.lab  # type: ignore[attr-defined]
    lab.events.publish = lambda topic, state: told.append(state) if topic == training.TOPIC else None
    asked(page, f"{NAME}/check", {"text": right()})
    assert asked(page, f"{NAME}/train", {"epochs": 2})["training"]["running"] is True
    state = wait_for_the_end(page)
    assert state["error"] is None
    assert [one["epoch"] for one in state["epochs"]] == [1, 2]
    assert state["trained"]["accuracy"] > 0.5
    assert state["facts"]["data"] == "digits8x8"
    assert [len(one["epochs"]) for one in told if one["running"]][-1] == 2
    assert page.get(f"/api/exercises/{NAME}").json()["accuracy"] == state["trained"]["accuracy"]


def test_a_training_is_stopped_at_once(page: TestClient) -> None:
    asked(page, f"{NAME}/check", {"text": right()})
    asked(page, f"{NAME}/train", {"epochs": 100})
    answer = page.post(f"/api/exercises/{NAME}/train", json={})
    assert "another training runs" in answer.json()["error"]
    begin = time.monotonic()
    state = asked(page, "training/stop")["training"]
    assert state["running"] is False
    assert state["error"] is None
    assert time.monotonic() - begin < 5


def test_what_is_not_passed_is_not_trained_with(page: TestClient) -> None:
    answer = page.post(f"/api/exercises/{NAME}/train", json={})
    assert (answer.status_code, answer.json()["error"]) == (400, "sigmoid is not passed yet: check it first")


WRITING = ("save", "check", "hint", "reset", "train")


@pytest.mark.parametrize("what", WRITING)
def test_pages_without_the_token_are_refused(page: TestClient, what: str) -> None:
    for token in ("", "wrong"):
        answer = page.post(f"/api/exercises/{NAME}/{what}", json={"text": right()}, headers={PAGE_TOKEN: token})
        assert answer.status_code == 403
    assert not Path("rebuild").exists()


@pytest.mark.parametrize("what", WRITING)
def test_a_lab_that_others_can_reach_runs_no_code(here: Path, tmp_path: Path, what: str) -> None:
    settings = Settings(host="192.0.2.7", token="secret", runs=tmp_path / "runs")
    with asking(settings) as page:
        headers = {"authorization": "Bearer secret", "host": "192.0.2.7:8000"}
        assert page.get("/api/exercises", headers=headers).json()["runs code"] is False
        answer = page.post(f"/api/exercises/{NAME}/{what}", json={"text": right()}, headers=headers)
        assert answer.status_code == 403
        assert "runs no code" in answer.json()["error"]
    assert not Path("rebuild").exists()


def test_unknown_exercises_and_texts_that_are_none(page: TestClient) -> None:
    answer = page.get("/api/exercises/sigmoyd")
    assert answer.status_code == 400
    assert "did you mean sigmoid?" in answer.json()["error"]
    assert page.get("/api/exercises/..%2F..%2Fsecret").status_code in (400, 404)
    assert page.post(f"/api/exercises/{NAME}/save", json={"text": "x" * 300_000}).status_code == 422
    half = page.post(
        f"/api/exercises/{NAME}/save", content=b'{"text": "\\ud800"}', headers={"content-type": "application/json"}
    )
    assert half.status_code in (400, 422)
    assert not Path("rebuild").exists()
