"""`kqv evaluate` and `kqv classify` for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kqv.cli import console as consoles
from kqv.cli.drawing import drawn, side_by_side
from kqv.cli.use import most_confused
from kqv.evaluation import DigitScores

Kqv = Callable[..., Any]


def test_evaluate_shows_what_is_taken_for_what(kqv: Kqv, run: Path) -> None:
    scores = kqv("evaluate", run, "--json").json
    shown = kqv("evaluate", run).out
    assert f"{100 * scores['accuracy']:.2f} % right" in shown
    rows = [line.split() for line in shown.splitlines()[-10:]]
    counts = [[0 if cell == "·" else int(cell) for cell in row[1:11]] for row in rows]
    assert counts == scores["confusion"]


def test_many_classes_are_shown_as_the_commonest_mistakes(kqv: Kqv, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles.console, "_width", 40)
    confusion = np.array(kqv("evaluate", run, "--json").json["confusion"])
    np.fill_diagonal(confusion, 0)
    shown = kqv("evaluate", run).out.splitlines()
    assert shown[1] == "the commonest mistakes:"
    assert int(shown[2].split()[0]) == confusion.max()


def test_no_mistakes() -> None:
    none = np.zeros(0)
    scores = DigitScores(0.0, 1.0, 5, 5, np.diag([2, 3]), none.astype(np.int64), none)
    assert most_confused(scores, ("a", "b")) == "no mistakes"


def test_classify_says_how_sure_it_is_and_shows_what_it_saw(kqv: Kqv, run: Path, picture: Path) -> None:
    said = kqv("classify", run, picture, "--json").json["pictures"][0]
    shown = kqv("classify", run, picture).out.splitlines()
    assert shown[0].startswith(f"{picture}: {said['class']} ({100 * said['confidence']:.1f} %; then ")
    assert len(shown) == 1 + 8
    several = kqv("classify", run, picture, picture).out.splitlines()
    assert several == [shown[0]] * 2


def test_names_with_signs_of_markup_are_shown_as_they_are(kqv: Kqv, run: Path, picture: Path) -> None:
    odd = picture.rename("[red]a[1].png")
    assert kqv("classify", run, odd).out.startswith("[red]a[1].png: ")
    renamed = run.rename("runs/[bold]x")
    assert kqv("evaluate", renamed).out.startswith("runs/[bold]x on digits8x8")
    assert "[bold]x" in kqv("runs").out


def test_pictures_are_drawn_with_every_pixel() -> None:
    small = np.zeros((3, 4), dtype=np.uint8)
    small[1, 2] = 255
    assert drawn(small) == "        \n    ██  \n        "
    large = np.zeros((5, 28), dtype=np.uint8)
    large[0, 0], large[1, 1], large[2:4, 2], large[4, 3] = 255, 255, 255, 255
    assert drawn(large).split("\n") == ["▀▄", "  █", "   ▀"]
    assert side_by_side(["a\nbb", "c"], gap=1) == "a  c\nbb  "
