"""`--json`: one object, alone on standard output."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kqv as package
from kqv.cli.json_output import print_json

Kqv = Callable[..., Any]


def test_train(kqv: Kqv, small: None) -> None:
    done = kqv("train", "digits", "--json")
    assert done.json.keys() == {"run", "steps", "seconds", "validation_loss", "validation_accuracy"}
    assert (done.json["run"], done.json["steps"]) == ("runs/digits-1", 23)
    assert "validation loss" in done.err, "progress is told, but on standard error"


def test_evaluate(kqv: Kqv, run: Path) -> None:
    scores = kqv("evaluate", run, "--json").json
    assert scores.keys() == {"model", "run", "data", "split", "pictures", "accuracy", "loss", "confusion"}
    confusion = scores["confusion"]
    assert sum(map(sum, confusion)) == scores["pictures"] == 297
    assert scores["accuracy"] == sum(confusion[position][position] for position in range(10)) / 297
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
    assert one["probabilities"][one["class"]] == one["confidence"] == max(one["probabilities"].values())
    assert sum(one["probabilities"].values()) == pytest.approx(1)


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


def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": math.nan, "b": [1.5, (math.inf, {"c": -math.inf})], "d": "NaN", "e": 7, "f": None, "g": True})
    expected = {"a": None, "b": [1.5, [None, {"c": None}]], "d": "NaN", "e": 7, "f": None, "g": True}
    out = capsys.readouterr().out
    assert json.loads(out, parse_constant=pytest.fail) == expected
    assert out.count("\n") == 1


def test_nothing_else_of_the_package_writes_json_with_such_numbers() -> None:
    """Each `json.dumps` refuses them, and of the commands only `print_json` has one."""
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dumps", "json.dump"):
                said = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert said.get("allow_nan") == "False", f"{path}:{node.lineno}"
                assert path.parent.name != "cli" or path.name == "json_output.py", f"{path}:{node.lineno}"
