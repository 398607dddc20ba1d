"""`kqv train adder`, `kqv add`, `kqv evaluate` and `kqv trace` of an adder, as typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kqv.systems.adder.recipes import ADDER_RECIPES, SumsPlan, adder_2

Kqv = Callable[..., Any]


@pytest.fixture
def run(kqv: Kqv, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short run of an adder of one digit, by the default recipe's name."""
    recipe = adder_2()
    plan = recipe.training.model_copy(update={"steps": 20, "evaluate_every": 10, "batch": 16})
    model = replace(recipe.model, width=4, channels=2, hidden=8, context=5, period=2)
    small = recipe.model_copy(update={"model": model, "data": SumsPlan(digits=1, validation=10), "training": plan})
    monkeypatch.setitem(ADDER_RECIPES, "adder-2", lambda: small)
    monkeypatch.setattr("kqv.systems.adder.recipes.adder_2", lambda: small)
    done = kqv("train", "adder")
    assert done.status == 0, done.err
    assert "Trained 20 steps" in done.out
    assert "kqv add runs/adder-2-1 12 34" in done.out
    return Path("runs/adder-2-1")


def test_what_can_be_done_with_a_run(run: Path, kqv: Kqv) -> None:
    shown = kqv("add", run, "3", "4").out
    assert shown.startswith("3 + 4 = ")
    assert "it read 3+4= and wrote " in shown
    assert kqv("add", run, "3+4").out == shown
    found = kqv("add", "latest", "3", "4", "--json").json
    assert (found["a"], found["b"], found["read"]) == (3, 4, "3+4=")
    assert found["right"] == (found["sum"] == 7)

    scores = kqv("evaluate", run, "--json").json
    assert scores["split"] == "test"
    assert scores["pairs"] == sum(part["pairs"] for part in scores["by_carry"].values())
    assert "right to the last digit" in " ".join(kqv("evaluate", run).out.split())

    shown = kqv("trace", run, "9+3").out
    assert "9 + 3 = 12: the model reads 9+3= (the ones first)" in shown
    assert "a sum that was held out, '" in kqv("trace", run).out
    assert kqv("trace", run, "9+3", "--html", "page.html").status == 0
    assert '"everything":true' in Path("page.html").read_text()
    assert "adder-2" in kqv("runs").out


def test_mistakes_are_told_in_a_line(run: Path, kqv: Kqv) -> None:
    no_sum = "error: a sum is two whole numbers with a + between them, as in 12+34; got "
    assert kqv("add", run, "three", "4").problem == f"{no_sum}'three+4'"
    assert kqv("trace", run, "34").problem == f"{no_sum}'34'"
    assert kqv("add", run, "10", "4").problem == "error: this model adds numbers of up to 1 digits, 0 to 9; got 10"
    assert "is an adder run" in kqv("generate", run, "--prompt", "3+4=").problem
    assert "leave out --data" in kqv("evaluate", run, "--data", "text.txt").problem
    assert "choose one of: adder-2, adder-3, adder-10" in kqv("train", "adder", "--recipe", "adder-99").problem
    assert "--label" in kqv("trace", run, "3+4", "--label", "7").problem
