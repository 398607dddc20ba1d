"""Learning curves: what stands on the axes is what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from kqv.errors import Error
from kqv.plots import curves
from kqv.plots.curves import COLOURS, DASHES, Curves, Line, Part, by_measurement, by_training, plot_curves

FIRST = Curves(
    "with $L2$",
    [
        {"epoch": 0.5, "loss": 2.0},
        {"epoch": 1.0, "loss": 1.5, "accuracy": 0.25, "gradient_b2": 0.1, "gradient_b10": 0.02},
        {"epoch": 2.0, "accuracy": 0.5, "gradient_b2": 0.05, "gradient_b10": 0.001},
    ],
)
SECOND = Curves("without", [{"epoch": 1.0, "accuracy": 0.125}, {"epoch": 3.0, "accuracy": 0.75, "loss": 1.0}])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that would have been written."""
    figures: list[Figure] = []
    monkeypatch.setattr(curves, "save_figure", lambda figure, path: figures.append(figure))
    return figures


def lines(axes: Any) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]


def legend(axes: Any) -> list[str]:
    shown = axes.get_legend()
    return [] if shown is None else [text.get_text() for text in shown.get_texts()]


def test_a_measurement_stands_with_the_epochs_where_it_was_made() -> None:
    assert FIRST.of("loss") == ([0.5, 1.0], [2.0, 1.5])
    assert FIRST.of("accuracy") == ([1.0, 2.0], [0.25, 0.5])
    assert FIRST.of("nothing") == ([], [])
    assert FIRST.names("gradient_") == ["gradient_b2", "gradient_b10"]


def test_each_training_has_a_colour_and_each_measurement_a_dash(drawn: list[Figure]) -> None:
    plot_curves("Which is better?", [by_training("Right", "accuracy", [FIRST, SECOND], ["accuracy", "loss"])], Path())
    axes = drawn[0].axes[0]
    assert lines(axes) == [
        ([1.0, 2.0], [25.0, 50.0]), ([1.0, 3.0], [12.5, 75.0]), ([0.5, 1.0], [200.0, 150.0]), ([3.0], [100.0]),
    ]  # fmt: skip
    assert [to_hex(line.get_color()).upper() for line in axes.get_lines()] == [*COLOURS[:2], *COLOURS[:2]]
    assert [line.get_linestyle() for line in axes.get_lines()] == [DASHES[0]] * 2 + [DASHES[1]] * 2
    assert legend(axes) == ["with $L2$", "without"], "only the first measurement's lines are named"
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == ("Right", "epoch", "%")
    assert drawn[0].get_suptitle() == "Which is better?"


def test_a_long_title_stays_inside(drawn: list[Figure]) -> None:
    plot_curves(
        " · ".join(f"dropout=0.{n}, steps=200" for n in range(9)), [by_training("", "cost", [FIRST], ["loss"])], Path()
    )
    [figure] = drawn
    figure.draw_without_rendering()
    assert figure.get_suptitle().count("\n") > 1
    written = figure.texts[0].get_window_extent()
    assert written.x1 < figure.bbox.x1
    assert written.y0 > figure.axes[0].get_window_extent().y1


def test_other_units_are_drawn_as_they_are(drawn: list[Figure]) -> None:
    plot_curves("", [by_training("Cost", "cost", [FIRST], ["loss"])], Path())
    assert lines(drawn[0].axes[0]) == [([0.5, 1.0], [2.0, 1.5])]
    assert drawn[0].axes[0].get_ylabel() == "cost"
    assert drawn[0].axes[0].get_yscale() == "linear"


def test_measurements_of_one_training_are_named_by_what_differs(drawn: list[Figure]) -> None:
    part = by_measurement("Size of ∂C/∂b", "‖∂C/∂b‖", "with $L2$", [FIRST], "gradient_", logarithmic=True)
    plot_curves("", [part], Path())
    axes = drawn[0].axes[0]
    assert legend(axes) == ["b2", "b10"]
    assert lines(axes) == [([1.0, 2.0], [0.1, 0.05]), ([1.0, 2.0], [0.02, 0.001])]
    assert axes.get_title(loc="left") == "Size of ∂C/∂b: with $L2$"
    assert axes.get_yscale() == "log"
    assert len({line.get_color() for line in axes.get_lines()}) == 2


@pytest.mark.parametrize(("values", "shown"), [([0.25, 0.55], {"0.3", "0.4", "0.5"}), ([1e-4, 0.5], {"0.001", "0.1"})])
def test_a_logarithmic_axis_says_its_numbers_plainly(values: list[float], shown: set[str], drawn: list[Figure]) -> None:
    training = Curves("x", [{"epoch": float(position), "size": value} for position, value in enumerate(values)])
    plot_curves("", [by_measurement("", "size", "x", [training], "size", logarithmic=True)], Path())
    axis = drawn[0].axes[0].yaxis
    drawn[0].canvas.draw()
    labels = [label.get_text() for label in axis.get_ticklabels(which="both")]
    assert shown <= set(labels)
    assert all(float(label.replace("−", "-")) > 0 for label in labels if label), "no markup"


def test_a_line_for_one_training_without_a_name_has_no_legend(drawn: list[Figure]) -> None:
    nameless = Curves("", FIRST.metrics)
    parts = [by_training(title, "cost", [nameless], ["loss"]) for title in ("one", "two", "three")]
    plot_curves("", parts, Path())
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == ["one", "two", "three"]
    assert [legend(axes) for axes in drawn[0].axes] == [[], [], []]


def test_more_trainings_than_colours_and_dashes_are_drawn(drawn: list[Figure]) -> None:
    trainings = [Curves(f"number {position}", FIRST.metrics) for position in range(len(COLOURS) + 2)]
    keys = ["loss", "accuracy", "gradient_b2", "gradient_b10"]
    plot_curves("", [by_training("", "cost", trainings, keys)], Path())
    assert len(drawn[0].axes[0].get_lines()) == len(trainings) * len(keys)


def test_what_was_measured_once_can_be_seen(tmp_path: Path) -> None:
    """A line through a single point is nothing; a short training has one evaluation."""
    inks = []
    for name, metrics in (("none", []), ("one", [{"epoch": 1.0, "accuracy": 0.5}])):
        part = Part("", "cost", [Line("", *Curves("", metrics).of("accuracy"))])
        plot_curves("", [part], tmp_path / f"{name}.png")
        pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int)
        blue = np.array([int(COLOURS[0][position : position + 2], 16) for position in (1, 3, 5)])
        inks.append(int((np.abs(pixels - blue).sum(-1) < 10).sum()))
    assert inks[0] == 0
    assert inks[1] > 10


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_says_the_format_and_the_file_is_the_same_again(tmp_path: Path, ending: str, begins: bytes) -> None:
    paths = [tmp_path / f"{name}.{ending}" for name in ("one", "two")]
    for path in paths:
        plot_curves("Ω and $x$", [by_training("Right", "accuracy", [FIRST, SECOND], ["accuracy"])], path)
    assert paths[0].read_bytes().startswith(begins)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize(("name", "says"), [("a.gif", "by its ending"), ("a", "by its ending"), ("no/a.png", "folder")])
def test_a_position_that_cannot_be_written_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(Error, match=says):
        plot_curves("", [by_training("", "cost", [FIRST], ["loss"])], tmp_path / name)
    assert list(tmp_path.iterdir()) == []
