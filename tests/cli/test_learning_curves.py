"""`kqv train --plot`: a run's learning curves as a figure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.training.run import Run

Kqv = Callable[..., Any]

WORDS = ("--data", "digits8x8", "--steps", 60)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were written, with all that stands on their axes."""
    from kqv.plots import curves

    figures: list[Any] = []
    save = curves.save_figure

    def remember(figure: Any, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(curves, "save_figure", remember)
    return figures


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_learning_curves_of_a_run_are_drawn(ending: str, kqv: Kqv, small: None, drawn: list[Any]) -> None:
    done = kqv("train", "digits", "--plot", f"curves.{ending}", "--json", "--steps", 150)
    assert json.loads(done.out)["steps"] == 150
    assert Path(f"curves.{ending}").stat().st_size > 1000
    by_title = {axes.get_title(loc="left"): axes for axes in drawn[0].axes}
    accuracy = by_title["Right of the validation set"]
    cost = by_title["Cost: validation set, batches (dashed)"]
    measured = Run(Path("runs/digits-1")).metrics()
    scored = [line for line in measured if "validation_accuracy" in line]
    assert accuracy.get_lines()[0].get_xdata().tolist() == [line["step"] / 60 for line in scored] == [1.0, 2.0, 2.5]
    assert accuracy.get_lines()[0].get_ydata().tolist() == [100 * line["validation_accuracy"] for line in scored]
    validation, batches = cost.get_lines()
    assert validation.get_ydata().tolist() == [line["validation_loss"] for line in scored]
    assert batches.get_ydata().tolist() == [line["loss"] for line in measured if "loss" in line]
    assert drawn[0].get_suptitle() == "digits-1: digits"


def test_a_run_that_went_on_is_drawn_from_its_beginning(kqv: Kqv, run: Path, drawn: list[Any]) -> None:
    assert kqv("train", "digits", "--resume", run, "--steps", 72, "--plot", "curves.png").status == 0
    assert all(axes.get_lines()[0].get_xdata().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] for axes in drawn[0].axes)


@pytest.mark.parametrize(
    ("plot", "says"),
    [("curves.gif", "by its ending; end it in .png, .svg, .pdf"), ("curves", "by its ending"),
     ("nowhere/curves.png", "there is no folder nowhere"), (".", "by its ending")],
)  # fmt: skip
def test_a_figure_that_cannot_be_written_is_refused_before_anything_is_trained(
    plot: str, says: str, kqv: Kqv, here: Path
) -> None:
    assert says in kqv("train", "digits", "--recipe", "nielsen", *WORDS, "--plot", plot).problem
    assert not list(here.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no such folder in which nobody can write")
def test_where_no_figure_can_be_written_is_said_before_training(kqv: Kqv, small: None) -> None:
    refused = kqv("train", "digits", "--plot", "/proc/curves.png")
    assert refused.status == 1
    assert "cannot write /proc/curves.png: " in refused.problem
    assert not Path("runs").exists()
