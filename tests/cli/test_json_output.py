"""`--json`: one object, alone on standard output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Kqv = Callable[..., Any]


def test_train(kqv: Kqv, small: None) -> None:
    done = kqv("train", "digits", "--json")
    assert done.json.keys() == {"run", "steps", "seconds", "validation_loss", "validation_accuracy"}
    assert (done.json["run"], done.json["steps"]) == ("runs/digits-1", 23)
    assert "validation loss" in done.err, "progress is told, but on standard error"


def test_evaluate(kqv: Kqv, run: Path) -> None:
    scores = kqv("evaluate", run, "--json").json
    assert scores.keys() == {"run", "data", "split", "pictures", "accuracy", "loss", "confusion"}
    confusion = scores["confusion"]
    assert sum(map(sum, confusion)) == scores["pictures"] == 297
    assert scores["accuracy"] == sum(confusion[place][place] for place in range(10)) / 297
    assert 0.8 < scores["accuracy"] < 1
    assert kqv("evaluate", run, "--json", "--split", "validation").json["pictures"] == 300


def test_evaluate_scores_what_training_scored(kqv: Kqv, small: None) -> None:
    trained = kqv("train", "digits", "--json").json
    scores = kqv("evaluate", "latest", "--json", "--split", "validation").json
    assert scores["accuracy"] == trained["validation_accuracy"]
    assert scores["loss"] == trained["validation_loss"]


def test_classify(kqv: Kqv, run: Path, picture: Path) -> None:
    said = kqv("classify", run, picture, picture, "--json").json
    assert len(said["pictures"]) == 2
    one = said["pictures"][0]
    assert one["picture"] == str(picture)
    assert one["shares"][one["class"]] == one["confidence"] == max(one["shares"].values())
    assert sum(one["shares"].values()) == pytest.approx(1)


def test_runs(kqv: Kqv, run: Path) -> None:
    listed = kqv("runs", "--json").json["runs"]
    assert len(listed) == 1
    assert (listed[0]["run"], listed[0]["state"], listed[0]["step"], listed[0]["steps"]) == (
        str(run),
        "finished",
        60,
        60,
    )
    assert kqv("runs", Path("runs"), "--json").json["runs"] == listed


def test_data(kqv: Kqv) -> None:
    assert {source["name"] for source in kqv("data", "list", "--json").json["sources"]} >= {"digits8x8", "mnist"}
