"""`kqv plan`: what it says, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.cli.plan_display import time_in_words
from kqv.memory import most_held
from kqv.planning.advice import best_use
from kqv.planning.forecast import forecast
from kqv.systems.system import Watcher, system_named
from kqv.training.distributed import ALONE


def test_a_recipe_is_planned_and_nothing_is_kept(kqv: Callable[..., Any], here: Path) -> None:
    result = kqv("plan", "digits")
    assert result.status == 0
    assert "parameters" in result.out
    assert "this machine, measured" in result.out
    assert not list(here.iterdir())


def test_json_has_the_same_in_plain_units(kqv: Callable[..., Any]) -> None:
    found = kqv("plan", "adder/adder-2", "--json", "--gpu", "h100").json
    model = system_named("adder").recipe_named("adder-2")
    assert found["steps"] == model.training.steps
    assert found["parameters"] == sum(found["parts"].values())
    assert found["seconds"] == pytest.approx(
        found["steps"] * found["pace"]["step"] + found["evaluations"] * found["pace"]["evaluation"]
    )
    assert found["gpus"]["NVIDIA H100 SXM"]["fits"]
    assert most_held() is None or found["step"]["memory"]["whole"] < found["process"] <= most_held()


def test_what_is_too_large_is_planned_by_shapes(kqv: Callable[..., Any]) -> None:
    result = kqv("plan", "llama-7b", "--gpu", "b200")
    assert result.status == 0
    assert "Not measured on this machine" in result.out
    assert "Its process" not in result.out


def test_settings_change_the_model() -> None:
    plain = forecast("adder/adder-2", ALONE, Watcher(), measure=False)
    wide = forecast("adder/adder-2", ALONE, Watcher(), settings={"width": "16", "batch": "7"}, measure=False)
    assert wide.parameters > plain.parameters
    assert wide.size == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "nonsense"), (["gpt/nonsense"], "choose one of"), (["bert-base"], "encoder"),
        (["gpt2-124m", "--gpu", "abacus"], "choose one of"), (["gpt2-124m", "--set", "width"], "--set takes"),
        (["gpt2-124m", "--set", "widht=3"], "widht"), (["gpt2-124m", "--data", "x"], "--data"),
        (["gpt2-124m", "--hours", "-1"], "--hours"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(kqv: Callable[..., Any], words: list[str], said: str) -> None:
    assert said in kqv("plan", *words).problem


def test_times_in_words() -> None:
    assert time_in_words(0.0123) == "12.3 ms"
    assert time_in_words(90) == "1.5 min"
    assert time_in_words(3e9) == "95.1 years"


def test_the_best_use_of_chinchillas_computation_is_chinchilla() -> None:
    best = best_use(5.76e23)  # Hoffmann et al. 2022, table 3 and section 4: 70 billion parameters, 1.4 trillion tokens
    assert best.parameters == pytest.approx(70e9, rel=0.05)
    assert best.tokens == pytest.approx(1.4e12, rel=0.05)
