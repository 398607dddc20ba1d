"""Figures: they show the scores that they are given, are written whole or not at all, and any classes fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kqv.errors import Error
from kqv.evaluation.pictures import DigitScores, PictureEvaluation
from kqv.plots.evaluation import confusion_panel, mistakes_panel, plot_evaluation
from kqv.plots.figures import check_ending, shortened
from kqv.plots.pictures import plot_steps


def evaluated(classes: int, weights: bool = True, pictures: int = 200) -> PictureEvaluation:
    """A recogniser that is right most of the time, with class names that look like markup."""
    chance = np.random.default_rng(classes)
    labels = chance.integers(0, classes, pictures)
    positions = np.where(chance.random(pictures) < 0.8, labels, chance.integers(0, classes, pictures))
    confusion = np.bincount(labels * classes + positions, minlength=classes**2).reshape(classes, classes)
    right = positions == labels
    scores = DigitScores(
        0.1, float(right.mean()), int(right.sum()), pictures, confusion, positions, chance.random(pictures), right
    )
    names = tuple(f"$class_{position}" for position in range(classes))
    pixels = chance.integers(0, 256, (pictures, 6, 4)).astype(np.uint8)
    return PictureEvaluation("a run", names, pixels, labels, scores, chance.normal(size=(3, 6, 4)) if weights else None)


def texts(part: Any) -> list[str]:
    return [text.get_text() for axes in part.axes for text in axes.texts]


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_says_the_format(tmp_path: Path, ending: str, begins: bytes) -> None:
    path = tmp_path / f"figure.{ending}"
    plot_evaluation(evaluated(10), path)
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("classes", [2, 40])
def test_few_and_many_classes_fit_and_weights_may_be_missing(tmp_path: Path, classes: int) -> None:
    plot_evaluation(evaluated(classes, weights=False), tmp_path / "figure.png")
    assert np.asarray(Image.open(tmp_path / "figure.png")).std() > 10


def test_long_names_keep_beginning_and_end() -> None:
    assert shortened("class number 12") == "class …er 12"
    assert shortened("twelve chars") == "twelve chars"


def test_every_count_is_written() -> None:
    shown = evaluated(5)
    part = Figure().subfigures(1, 2)[0]
    confusion_panel(part, shown.scores.confusion, shown.classes)
    assert [int(text) for text in texts(part)] == shown.scores.confusion[shown.scores.confusion > 0].tolist()


def test_the_surest_mistakes_come_first() -> None:
    shown = evaluated(5)
    part = Figure().subfigures(1, 2)[0]
    mistakes_panel(part, shown)
    surest = np.sort(shown.scores.confidence[~shown.scores.right])[::-1]
    titles = [axes.get_title() for axes in part.axes if axes.get_title()]
    assert [title.splitlines()[-1] for title in titles] == [f"{100 * value:.1f} %" for value in surest[: len(titles)]]
    first = int(np.flatnonzero(shown.scores.confidence == surest[0])[0])
    np.testing.assert_array_equal(part.axes[0].images[0].get_array(), shown.pixels[first])


def test_no_mistakes_are_no_failure(tmp_path: Path) -> None:
    labels = np.array([0, 1, 1])
    scores = DigitScores(0.0, 1.0, 3, 3, np.diag([1, 2]), labels, np.ones(3), np.ones(3, dtype=bool))
    pixels = np.zeros((3, 2, 2), np.uint8)
    plot_evaluation(PictureEvaluation("x", ("a", "b"), pixels, labels, scores, np.zeros((1, 2, 2))), tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()


def test_steps_are_drawn_of_any_size(tmp_path: Path) -> None:
    steps = [("grey", np.full((300, 90), 9, np.uint8), "why " * 20), ("small", np.eye(8, dtype=np.uint8), "$x$")]
    plot_steps(steps, "a title", tmp_path / "steps.png")
    assert (tmp_path / "steps.png").exists()


def test_positions_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name, says in [("a.gif", "by its ending"), ("folder.png", "a folder stands"), ("none/a.png", "no folder")]:
        with pytest.raises(Error, match=says):
            check_ending(tmp_path / name)
