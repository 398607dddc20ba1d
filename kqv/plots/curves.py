"""Learning curves: what was measured while one or several networks trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kqv.plots.figures import GREY, STYLE, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
DASHES = ("-", "--", ":")


@dataclass(frozen=True)
class Curves:
    """One training's measurements in order, each with its `epoch`, under the name that the figure gives it."""

    label: str
    metrics: Sequence[Mapping[str, float]]

    def of(self, key: str) -> tuple[list[float], list[float]]:
        """Epochs and values of one measurement."""
        found = [(line["epoch"], line[key]) for line in self.metrics if key in line]
        return [epoch for epoch, _ in found], [value for _, value in found]

    def names(self, beginning: str) -> list[str]:
        """All measurements whose names begin so, in their order."""
        return list(dict.fromkeys(key for line in self.metrics for key in line if key.startswith(beginning)))


@dataclass(frozen=True)
class Part:
    """One part of the figure: a title, the unit of its axis, and its lines (label, epochs, values, colour, dashes)."""

    title: str
    unit: str
    lines: Sequence[tuple[str, list[float], list[float], int, int]]
    logarithmic: bool = False


def by_training(title: str, unit: str, trainings: Sequence[Curves], keys: Sequence[str]) -> Part:
    """A colour for each training, a dash for each measurement; only the first measurement's lines are named."""
    lines = [
        (training.label if dash == 0 else "", *training.of(key), colour, dash)
        for dash, key in enumerate(keys)
        for colour, training in enumerate(trainings)
    ]
    return Part(title, unit, lines)


def by_measurement(title: str, unit: str, training: Curves, beginning: str, logarithmic: bool) -> Part:
    """One training, with a line for each measurement whose name begins so."""
    lines = [
        (name.removeprefix(beginning), *training.of(name), colour, 0)
        for colour, name in enumerate(training.names(beginning))
    ]
    return Part(f"{title}: {training.label}", unit, lines, logarithmic)


def plot_curves(title: str, parts: Sequence[Part], path: Path) -> None:
    """Write the parts side by side. Raises `Error` for an unknown ending or a position that cannot be written."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(1 + 6.2 * len(parts), 4.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        every: Any = figure.subplots(1, len(parts), squeeze=False)
        for axes, part in zip(every[0], parts, strict=True):
            _draw(axes, part)
        save_figure(figure, path)


def _draw(axes: Axes, part: Part) -> None:
    for label, epochs, values, colour, dash in part.lines:
        shown = [100 * value for value in values] if part.unit == "accuracy" else values
        axes.plot(
            epochs, shown, DASHES[dash % len(DASHES)], color=COLOURS[colour % len(COLOURS)], label=label or None,
            linewidth=1.6 if dash == 0 else 1.0,
            marker="o" if len(epochs) == 1 else "",  # a line through one point would not be seen
        )  # fmt: skip
    axes.set_title(part.title)
    axes.set_xlabel("epoch")
    axes.set_ylabel("%" if part.unit == "accuracy" else part.unit)
    if part.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        low, high = axes.get_ylim()
        axes.yaxis.set_minor_formatter("{x:g}" if high < 10 * low else "")  # there may be no power of ten in between
    axes.grid(color=GREY, alpha=0.2)
    if any(label for label, *_ in part.lines):
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
