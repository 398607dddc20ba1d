"""Questions that a page asks: refused, started, stopped, resumed, and answered by what their runs say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from lab_pages import until

import kqv
from kqv.experiments.folder import Folder
from kqv.experiments.question import make_question
from kqv.lab.questions.found import parts
from kqv.lab.settings import Settings


@pytest.fixture
def asking(client: TestClient) -> Iterator[TestClient]:
    """The client; what it starts is ended with the test."""
    with client:
        yield client


def one(client: TestClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/questions/{name}").json()
    return found


def test_a_question_is_asked_stopped_resumed_and_answered(asking: TestClient, lab_settings: Settings) -> None:
    asked = {"what": "digits", "vary": {"width": "4,8"}, "seeds": 2, "steps": 300}
    name = asking.post("/api/questions/start", json=asked).json()["name"]
    assert name == "compare-digits-width-1"
    until(lambda: one(asking, name).get("now"))
    assert asking.post("/api/questions/stop", json={"name": name}).json()["state"] == "stopping"
    stopped = until(lambda: (found := one(asking, name))["state"] == "stopped" and found)
    assert stopped["done"] < 4

    again = asking.post("/api/questions/start", json=asked)  # the same question: the same folder
    assert again.json()["name"] == name
    found = until(lambda: (found := one(asking, name))["state"] == "finished" and found)
    folder = Folder(lab_settings.runs / name)
    settled = folder.settled()
    assert settled is not None
    for row, variant in zip(found["rows"], settled.variants, strict=True):
        outcomes = [folder.outcome(variant, seed) for seed in (1, 2)]
        assert row["scores"] == [outcome.scores["accuracy"] for outcome in outcomes if outcome is not None]
    assert found["rows"][1]["difference"]["low"] < found["rows"][1]["difference"]["high"]
    assert found["measure"]["title"] == "accuracy, %"

    part, line = 0, 1
    expected = parts(folder)[part].lines[line]
    answer = asking.get(f"/api/questions/{name}/line", params={"part": part, "line": line})
    rows = np.frombuffer(answer.content, "<f4").reshape(4, -1)
    assert expected.band is not None
    np.testing.assert_allclose(rows, [expected.epochs, expected.values, *expected.band], rtol=1e-6)
    assert asking.get(f"/api/questions/{name}/line", params={"part": 9, "line": 0}).status_code == 400
    assert asking.get(f"/api/questions/{name}/attention").json() == {"variants": [], "heads": []}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"what": "chess", "vary": {"a": "1,2"}}, "nothing to compare under the name 'chess'"),
        ({"what": "digits"}, "nothing is varied"),
        ({"what": "digits", "vary": {"colour": "1,2"}}, "no field 'colour'"),
        ({"what": "gpt", "vary": {"score": "dot,luck"}}, "luck"),
        ({"what": "gpt", "vary": {"score": "dot,dot"}}, "twice"),
        ({"what": "digits", "vary": {"width": "4,8"}, "steps": 1, "minutes": 1}, "give one of them"),
        ({"what": "digits", "vary": {"width": "4,8"}, "data": "/there/is/none"}, "there is no data"),
        ({"what": "digits", "vary": {"width": "4,8"}, "seeds": 0}, "seeds"),
        ({"what": "digits", "recipe": "digits,none"}, "there is no recipe 'none'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    asking: TestClient, lab_settings: Settings, asked: dict[str, Any], said: str
) -> None:
    answer = asking.post("/api/questions/start", json=asked)
    assert answer.status_code in (400, 422)
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error
    assert not lab_settings.runs.exists() or not list(lab_settings.runs.iterdir())


@pytest.mark.parametrize("name", ["a" * 300, "x", "..", "%00"])
def test_a_name_that_is_none_is_refused_in_one_line(asking: TestClient, name: str) -> None:
    for path in ("", "/attention", "/line?part=0&line=0"):
        answer = asking.get(f"/api/questions/{name}{path}")
        assert answer.status_code in (400, 404)
        assert answer.status_code == 404 or "there is no question" in answer.json()["error"]


def test_attention_maps_are_those_of_the_models(
    asking: TestClient, lab_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat. the dog sat on the log.\n" * 60)
    small = {"blocks": 1, "width": 16, "heads": 2, "context": 16}
    base: dict[str, Any] = {f"model.{name}": value for name, value in small.items()}
    base |= {"data.tokenizer": "characters", "training.batch": 4, "model.hidden": None}
    content = {"system": "gpt", "recipes": ["nanogpt-cpu"], "data": str(text), "base": base,
               "vary": {"score": ["dot", "none"]}, "seeds": 1, "steps": 4}  # fmt: skip
    kqv.compare(make_question(content), out=lab_settings.runs / "compare-score")
    found = asking.get("/api/questions/compare-score/attention").json()
    assert found["variants"] == ["dot", "none"]
    head = found["heads"][0]
    asked = {"variant": "none", "head": 0}
    answer = asking.get("/api/questions/compare-score/attention/map", params=asked)
    weights = np.frombuffer(answer.content, "<f4").reshape(len(head["queries"]), len(head["keys"]))
    even = np.tril(np.ones_like(weights)) / np.arange(1, len(weights) + 1)[:, None]
    np.testing.assert_allclose(weights, even, atol=1e-6)  # without scores all keys are alike
    assert (
        asking.get("/api/questions/compare-score/attention/map", params={"variant": "?", "head": 0}).status_code == 400
    )


def test_fields_and_saved_questions_are_listed(asking: TestClient) -> None:
    fields = asking.get("/api/questions/fields", params={"system": "gpt", "recipe": "nanogpt-cpu"}).json()["fields"]
    assert fields["model.score"] == "dot"
    found = asking.get("/api/questions").json()
    assert found["asked"] == []
    assert "slow-learning" in [one["name"] for one in found["saved"]]
    assert asking.get("/api/questions/none").status_code == 400
