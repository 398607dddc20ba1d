"""Cross-attention as a picture: which words of the source each word of a translation looks at, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kqv.errors import TraceError
from kqv.plots.attention import FRAME, INK, QUIET, colours
from kqv.plots.figures import STYLE, save_figure
from kqv.trace.trace import Trace
from kqv.trace.views.attention import Attention, attentions
from kqv.trace.views.words import readable

CELL, LEAST, MOST = 0.2, 2.2, 9.0  # inches: of a square, and of a map's side
COLUMNS = 2


def cross_attentions(trace: Trace) -> list[Attention]:
    """The attentions of a trace whose keys are another text than their queries. Raises `TraceError` for none."""
    found = [one for one in attentions(trace) if one.module.endswith("cross_attention")]
    if not found:
        raise TraceError("the trace holds no cross-attention; trace a translation")
    return found


def plot_cross_attention(trace: Trace, path: Path, *, written: tuple[str, ...] | None = None) -> None:
    """Write one map for each block of the decoder to `path`: rows are the tokens that are `written` (by default those
    that the decoder reads), columns those of the source, and colours the weights, averaged over the heads.

    Bahdanau et al. 2015, figure 3, shows alignments so. Raises `Error` for an unknown ending or a position that cannot
    be written, `TraceError` for a trace without cross-attention.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    found = cross_attentions(trace)
    rows = written or found[0].queries
    columns = min(COLUMNS, len(found))
    lines = -(-len(found) // columns)
    wide, high = (min(MOST, max(LEAST, CELL * count)) for count in (len(found[0].keys), len(rows)))
    with rc_context({**STYLE, "font.sans-serif": ["DejaVu Sans"], "axes.titleweight": "normal"}):
        size = (columns * (wide + 0.3) + 1.6, lines * (high + 1.2) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        axes: Any = figure.subplots(lines, columns, squeeze=False)
        for number, panel in enumerate(axes.flat):
            if number < len(found):
                _map(panel, found[number], rows, number)
            else:
                panel.axis("off")
        figure.suptitle("What each token of the translation looks at in the source", x=0.01, ha="left", color=INK)
        save_figure(figure, path)


def _map(axes: Any, attention: Attention, written: tuple[str, ...], number: int) -> None:
    """One block's weights `[query, key]`, the mean of its heads."""
    weights = attention.weights.double().mean(0).numpy()[: len(written)]
    axes.imshow(weights, cmap=colours(), vmin=0, vmax=1, aspect="auto", interpolation="none")
    axes.set_yticks(np.arange(len(written)), [readable(token) for token in written])
    axes.set_xticks(np.arange(weights.shape[1]), [readable(token) for token in attention.keys], rotation=90)
    axes.tick_params(length=0, labelsize=7.5, labelcolor=INK, pad=2)
    for side in axes.spines.values():
        side.set(visible=True, color=FRAME)
    axes.set_title(f"block {number}, mean of {attention.heads} heads", color=QUIET, fontsize=8.5)
