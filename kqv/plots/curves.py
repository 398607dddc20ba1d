"""Learning curves: what was measured while one or several networks trained."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from kqv.plots.figures import GREY, STYLE, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
DASHES = ("-", "--", ":")
LETTERS = 8.5  # of a title, for each inch


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
class Line:
    """One line: what the legend calls it (`""`: nothing), its points, colour and dash; `band`: between which values
    the measurements of several seeds lie."""

    label: str
    epochs: list[float]
    values: list[float]
    colour: int = 0
    dash: int = 0
    band: tuple[list[float], list[float]] | None = None


@dataclass(frozen=True)
class Part:
    """One part of the figure: a title, the unit of its axis, and its lines."""

    title: str
    unit: str
    lines: Sequence[Line]
    logarithmic: bool = False


def by_training(title: str, unit: str, trainings: Sequence[Curves], keys: Sequence[str]) -> Part:
    """A colour for each training, a dash for each measurement; only the first measurement's lines are named."""
    return by_variant(title, unit, [(training.label, [training]) for training in trainings], keys)


def by_variant(
    title: str, unit: str, variants: Sequence[tuple[str, Sequence[Curves]]], keys: Sequence[str],
    logarithmic: bool = False,
) -> Part:  # fmt: skip
    """A colour for each variant, of which there is a training for each seed: their mean, and a band from the lowest to
    the highest; a dash for each measurement."""
    lines = [
        mean_line(label if dash == 0 else "", trainings, key, colour, dash)
        for dash, key in enumerate(keys)
        for colour, (label, trainings) in enumerate(variants)
    ]
    return Part(title, unit, lines, logarithmic)


def by_measurement(title: str, unit: str, label: str, trainings: Sequence[Curves], beginning: str,
                   logarithmic: bool) -> Part:  # fmt: skip
    """One variant, with a line for each measurement whose name begins so."""
    names = trainings[0].names(beginning)
    lines = [mean_line(name.removeprefix(beginning), trainings, name, colour, 0) for colour, name in enumerate(names)]
    return Part(f"{title}: {label}", unit, lines, logarithmic)


def mean_line(label: str, trainings: Sequence[Curves], key: str, colour: int, dash: int) -> Line:
    """One measurement's mean over trainings, at the epochs that all of them measured."""
    each = [dict(zip(*training.of(key), strict=True)) for training in trainings]
    epochs = [epoch for epoch in each[0] if all(epoch in found for found in each)]
    values = [[found[epoch] for found in each] for epoch in epochs]
    band = ([min(found) for found in values], [max(found) for found in values]) if len(each) > 1 else None
    return Line(label, epochs, [fmean(found) for found in values], colour, dash, band)


def plot_curves(title: str, parts: Sequence[Part], path: Path) -> None:
    """Write the parts side by side. Raises `Error` for an unknown ending or a position that cannot be written."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        wide = 1 + 6.2 * len(parts)
        figure = Figure(figsize=(wide, 4.6), layout="constrained")
        figure.suptitle(textwrap.fill(title, int(LETTERS * wide)), x=0.01, ha="left", fontsize=12, fontweight="bold")
        every: Any = figure.subplots(1, len(parts), squeeze=False)
        for axes, part in zip(every[0], parts, strict=True):
            _draw(axes, part)
        save_figure(figure, path)


def _draw(axes: Axes, part: Part) -> None:
    factor = 100 if part.unit == "accuracy" else 1
    for line in part.lines:
        colour = COLOURS[line.colour % len(COLOURS)]
        if line.band is not None:
            low, high = ([factor * value for value in side] for side in line.band)
            axes.fill_between(line.epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            line.epochs, [factor * value for value in line.values], DASHES[line.dash % len(DASHES)], color=colour,
            label=line.label or None, linewidth=1.6 if line.dash == 0 else 1.0,
            marker="o" if len(line.epochs) == 1 else "",  # a line through one point would not be seen
        )  # fmt: skip
    axes.set_title(part.title)
    axes.set_xlabel("epoch")
    axes.set_ylabel("%" if part.unit == "accuracy" else part.unit)
    if part.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        lowest, highest = axes.get_ylim()
        axes.yaxis.set_minor_formatter(
            "{x:g}" if highest < 10 * lowest else ""
        )  # there may be no power of ten in between
    axes.grid(color=GREY, alpha=0.2)
    if any(line.label for line in part.lines):
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
