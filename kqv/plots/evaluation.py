"""One figure on a recogniser: what it takes for what, where it is surely wrong, how honest its confidence is, and
what its first layer looks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kqv.evaluation.pictures import DigitScores, PictureEvaluation, calibration
from kqv.plots.figures import BLUE, GREY, ORANGE, STYLE, save_figure, shortened
from kqv.plots.pictures import show, weights_panel

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

MOST_WITH_COUNTS = 12  # classes up to which every cell's count is written
MOST_NAMED = 40  # classes up to which every class is named at the axes
MISTAKES = 15
NEURONS = 40
ONE_LINE = 16  # characters above a small picture


def plot_evaluation(evaluated: PictureEvaluation, path: Path) -> None:
    """Write the figure to `path`. Raises `Error` for an unknown ending or a position that cannot be written."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    scores = evaluated.scores
    with rc_context(STYLE):
        figure = Figure(figsize=(13, 11), layout="constrained")
        figure.suptitle(
            f"{evaluated.title}: {100 * scores.accuracy:.2f} % of {scores.pictures:,} pictures right",
            x=0.01, ha="left", fontsize=13, fontweight="bold",
        )  # fmt: skip
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.1, 1), hspace=0.04)
        parts = [part for half in halves for part in half.subfigures(1, 2, wspace=0.03)]
        confusion_panel(parts[0], scores.confusion, evaluated.classes)
        mistakes_panel(parts[1], evaluated)
        calibration_panel(parts[2], scores)
        if evaluated.weights is None:
            parts[3].text(0.5, 0.5, "the first layer has no weights\nthat are pictures", ha="center", color=GREY)
        else:
            shown = evaluated.weights[:NEURONS]
            what = f"What the first layer looks for\n(weights of {len(shown)} of its {len(evaluated.weights)} neurons)"
            weights_panel(parts[3], shown, what)
        save_figure(figure, path)


def confusion_panel(part: SubFigure, confusion: npt.NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """Counts; the colour is the fraction of the row, on a logarithmic scale, since most mistakes are rare."""
    from matplotlib.colors import LogNorm

    axes: Any = part.subplots()
    share = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    lowest = min(1.0, float(share[share > 0].min())) if share.any() else 1.0
    image = axes.imshow(np.where(share > 0, share, np.nan), cmap="cividis_r", norm=LogNorm(max(lowest, 0.01), 100))
    part.colorbar(image, ax=axes, shrink=0.8, pad=0.02, label="% of the row", format="%g")
    if len(classes) <= MOST_WITH_COUNTS:
        for (true, said), count in np.ndenumerate(confusion):
            if count:
                colour = "white" if share[true, said] > 10 else "black"
                axes.text(said, true, f"{count}", ha="center", va="center", color=colour, fontsize=8)
    every = max(1, -(-len(classes) // MOST_NAMED))
    ticks = range(0, len(classes), every)
    names = [shortened(classes[tick]) for tick in ticks]
    size = 9 if len(classes) <= MOST_WITH_COUNTS else 6
    turned = 90 if max(len(name) for name in names) * len(names) > 40 else 0
    axes.set_xticks(ticks, names, fontsize=size, rotation=turned)
    axes.set_yticks(ticks, names, fontsize=size)
    axes.set_xlabel("what the model says")
    axes.set_ylabel("what it is")
    axes.set_title("Confusion matrix")


def mistakes_panel(part: SubFigure, evaluated: PictureEvaluation) -> None:
    """The pictures of which the model was surest and wrong."""
    scores = evaluated.scores
    wrong = np.flatnonzero(scores.positions != evaluated.labels)
    worst = wrong[np.argsort(-scores.confidence[wrong], kind="stable")][:MISTAKES]
    title = f"The surest mistakes ({len(worst)} of {len(wrong)})" if len(wrong) else "No mistakes"
    part.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    columns = 5
    for position, axes in enumerate(part.subplots(MISTAKES // columns, columns).flat):
        if position >= len(worst):
            axes.set_axis_off()
            continue
        number = worst[position]
        show(axes, evaluated.pixels[number])
        true, said = (evaluated.classes[at] for at in (evaluated.labels[number], scores.positions[number]))
        named = f"{shortened(true)}, said {shortened(said)}"
        if len(named) > ONE_LINE:
            named = named.replace(", ", ",\n")
        axes.set_title(
            f"{named}\n{100 * scores.confidence[number]:.1f} %", fontsize=8, fontweight="normal", loc="center"
        )


def calibration_panel(part: SubFigure, scores: DigitScores) -> None:
    """Accuracy against confidence in bins, above how many pictures each bin has."""
    found = calibration(scores)
    upper, lower = part.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middle, width = (found.edges[:-1] + found.edges[1:]) / 2, np.diff(found.edges)
    filled = found.counts > 0
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as sure as right")
    upper.bar(middle[filled], found.accuracy[filled], width[filled] * 0.9, color=BLUE, label="accuracy")
    upper.plot(
        found.confidence[filled], found.accuracy[filled], "o", color=ORANGE, markersize=4, label="mean confidence"
    )
    upper.set_ylim(0, 1.05)
    upper.set_ylabel("accuracy")
    upper.legend(frameon=False, loc="upper left", fontsize=8)
    upper.set_title(f"How honest its confidence is\n(expected calibration error {100 * found.error:.2f} %)")
    lower.bar(middle, found.counts, width * 0.9, color=GREY)
    lower.set_yscale("symlog", linthresh=1)
    lower.set_ylim(bottom=0)
    decades = [0] + [10**power for power in range(len(str(int(found.counts.max()))))]
    lower.set_yticks(decades[-4:] if len(decades) > 4 else decades)
    lower.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    lower.minorticks_off()
    lower.set_xlim(0, 1)
    lower.set_ylabel("pictures")
    lower.set_xlabel("confidence")
