"""Small pictures in figures: the steps by which a picture is prepared, pictures in a grid, weights as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kqv.plots.figures import GREY, STYLE, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Grey = npt.NDArray[np.uint8]
LINE = 30  # characters of an explanation in one line


def plot_steps(steps: Sequence[tuple[str, Grey, str]], title: str, path: Path) -> None:
    """Write the steps of a preparation, (name, picture[row, column], why), next to each other. Raises `Error`."""
    import textwrap

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    tallest = min(2.0, max(1.0, *(picture.shape[0] / picture.shape[1] for _, picture, _ in steps)))
    with rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(steps), 1.5 + 2.2 * tallest), layout="constrained")
        figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=11, fontweight="bold")
        for axes, (number, (name, picture, why)) in zip(
            figure.subplots(1, len(steps), squeeze=False)[0], enumerate(steps, start=1), strict=True
        ):
            show(axes, picture)
            axes.set_anchor("N")
            rows, columns = picture.shape
            axes.set_title(f"{number} {name}\n{rows}×{columns}")
            axes.set_xlabel("\n".join(textwrap.wrap(why, LINE)), color=GREY, fontsize=8)
        save_figure(figure, path)


def show(axes: Any, picture: Grey) -> None:
    """A picture of bytes [row, column] in axes of its own."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    bare(axes)


def bare(axes: Any) -> None:
    """Axes without numbers and ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def weights_panel(part: SubFigure | Figure, weights: npt.NDArray[np.float64], what: str, columns: int = 8) -> None:
    """Weights `[neuron, row, column]` as pictures in `part`: blue is negative, red positive, white 0.

    All have one scale, the 99.5th percentile of magnitudes, so that pictures can be compared.
    """
    limit = float(np.percentile(np.abs(weights), 99.5)) or 1.0
    rows = -(-len(weights) // columns)
    grid = part.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    image = None
    for position, axes in enumerate(grid.flat):
        bare(axes)
        if position < len(weights):
            image = axes.imshow(weights[position], cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    part.suptitle(what, x=0.01, ha="left", fontsize=10, fontweight="bold")
    if image is not None:
        part.colorbar(image, ax=grid, shrink=0.8, pad=0.02, label="weight")
