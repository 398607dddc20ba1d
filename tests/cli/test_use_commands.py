"""`kqv evaluate` and `kqv classify` for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kqv.cli import console as consoles
from kqv.cli.drawing import drawn, reduced, side_by_side
from kqv.cli.use import most_confused
from kqv.evaluation.pictures import DigitScores

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
    assert "most common mistakes:" in shown
    after = shown[shown.index("most common mistakes:") + 1]
    assert int(after.split()[0]) == confusion.max()


def test_a_recogniser_has_no_beams(kqv: Kqv, run: Path) -> None:
    for option in ("--beams", "--length-penalty"):
        assert "are for translators; runs/digits-1 is a digits model" in kqv("evaluate", run, option, "2").problem
    refused = kqv("evaluate", run, "--with", run).problem
    assert "--with averages the probabilities of translators; runs/digits-1 is a digits model" in refused


def test_no_mistakes() -> None:
    none = np.zeros(0)
    scores = DigitScores(0.0, 1.0, 5, 5, np.diag([2, 3]), none.astype(np.int64), none, none > 0)
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


def test_classify_shows_its_steps(kqv: Kqv, run: Path, here: Path) -> None:
    sheet = np.full((90, 70), 250, np.uint8)
    sheet[20:60, 30:36] = 10
    Image.fromarray(sheet).save("one.png")
    said = kqv("classify", run, "one.png", "--json").json["pictures"][0]
    shown = kqv("classify", run, "one.png", "--steps", "--plot", "steps.png").out.splitlines()
    heads = [line for line in shown if line[:2] in ("1 ", "2 ", "3 ", "4 ")]
    assert [line.split(":")[0] for line in heads] == [
        "1 grey, 90×70", "2 light on dark, 90×70", "3 cut out, 40×6", "4 counted, 8×8",
    ]  # fmt: skip
    assert shown[-2].startswith(f"one.png: {said['class']} (")
    assert shown[-1] == "figure written to steps.png"
    assert Path("steps.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_draws_its_figure_and_json_stays_alone(kqv: Kqv, run: Path) -> None:
    assert kqv("evaluate", run, "--plot", "a.svg", "--json").json == kqv("evaluate", run, "--json").json
    assert Path("a.svg").read_bytes().startswith(b"<?xml")


def test_figures_that_cannot_be_written_are_one_line(kqv: Kqv, run: Path, picture: Path) -> None:
    assert "end it in .png, .svg, .pdf" in kqv("evaluate", run, "--plot", "a.gif").problem
    assert "there is no folder none" in kqv("classify", run, picture, "--plot", "none/a.png").problem
    assert "one picture" in kqv("classify", run, picture, picture, "--plot", "a.png").problem


def test_large_and_faint_pictures_are_drawn_small_with_full_contrast() -> None:
    faint = np.full((200, 100), 40, np.uint8)
    faint[:100] = 60
    small = reduced(faint)
    assert small.shape == (56, 28)
    assert small[:28].min() == 255
    assert small[28:].max() == 0
