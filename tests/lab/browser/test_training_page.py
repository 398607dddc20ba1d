"""Training and questions in a real browser: started, watched, stopped, continued; every number as the files have it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_accessibility import AXE, violations

import kqv
from kqv.experiments.folder import Folder
from kqv.experiments.question import make_question
from kqv.lab.settings import Settings
from kqv.training.run import Run

Open = Callable[..., Any]

LONG = 240_000  # milliseconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a question that was answered."""
    path = tmp_path_factory.mktemp("with-runs")
    kqv.train("digits", steps=60, layers=1, width=16, out=path / "digits-1")
    question = make_question({"system": "digits", "vary": {"width": [4, 24]}, "seeds": 2, "steps": 60})
    kqv.compare(question, out=path / "compare-width")
    return path


def test_a_run_is_shown_with_its_numbers_and_nothing_runs_over(opened: Open, noted: Any, folder: Path) -> None:
    page = noted.page
    address = opened(Settings(runs=folder)).address
    page.goto(address + "#/training?run=digits-1")
    page.get_by_role("heading", name="Weights over time").wait_for()
    page.get_by_role("heading", name="What it says now").wait_for(timeout=LONG)
    accuracy = [line for line in Run(folder / "digits-1").metrics() if "validation_accuracy" in line][-1]
    shown = page.get_by_text(re.compile(r"\d+ of 300 held-out pictures are right")).inner_text()
    assert int(shown.split()[0]) == round(300 * accuracy["validation_accuracy"])
    if AXE.is_file():
        assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    noted.require_clean()


def test_a_question_is_shown_with_its_answer(opened: Open, noted: Any, folder: Path) -> None:
    page = noted.page
    page.goto(opened(Settings(runs=folder)).address + "#/questions?question=compare-width")
    page.get_by_role("heading", name="Learning curves").wait_for()
    found = Folder(folder / "compare-width").answer
    assert found is not None
    means = [f"{100 * variant['mean']:.2f}" for variant in found["variants"]]
    cells = page.get_by_role("table").first.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert cells == means
    answer = page.get_by_label("Answer").inner_text()
    assert found["variants"][1]["sentence"].split(":")[0].split(" is ")[0] in answer
    if AXE.is_file():
        assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    noted.require_clean()
