"""Splits as figures: a score as a map of part at the query × part at the key, a logit as bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kqv.plots.figures import BLUE, ORANGE, STYLE, save_figure
from kqv.why.score import ScoreSplit
from kqv.why.token import TokenSplit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 16  # parts that have a row, a column or a bar of their own
FONT: Any = {"font.sans-serif": ["DejaVu Sans"], "axes.titleweight": "bold", "axes.titlesize": 11}


def plot_split(split: ScoreSplit | TokenSplit, path: Path, most: int = MOST) -> None:
    """Write a split's figure to `path`, with so many parts by themselves and the others as one.

    Raises `Error` for an unknown ending or a file that cannot be written.
    """
    from matplotlib import rc_context

    with rc_context({**STYLE, **FONT}):
        figure = _map(split, most) if isinstance(split, ScoreSplit) else _bars(split, most)
        save_figure(figure, path)


def folded(split: ScoreSplit, most: int) -> tuple[Any, list[str], list[str]]:
    """The terms `[query part, key part]` of the parts with the largest terms, in the model's order, the others summed
    in a last row and column; and the names of rows and columns."""
    terms = split.terms.numpy()
    sides = []
    for axis, parts in enumerate((split.query_parts, split.key_parts)):
        sizes = np.abs(split.terms.numpy()).sum(1 - axis)
        chosen = sorted(int(at) for at in np.argsort(-sizes, kind="stable")[:most])
        others = len(parts) - len(chosen)
        sides.append([parts[at].words for at in chosen] + ([f"{others} others"] if others else []))
        rest = np.delete(terms, chosen, axis=axis).sum(axis=axis, keepdims=True)
        kept = np.take(terms, chosen, axis=axis)
        terms = np.concatenate((kept, rest), axis=axis) if others else kept
    return terms, sides[0], sides[1]


def _map(split: ScoreSplit, most: int) -> Figure:
    """Blue adds to the score, orange takes from it; the sums of others, which may be far larger, are written out."""
    from matplotlib.figure import Figure

    terms, rows, columns = folded(split, most)
    figure = Figure(figsize=(2.9 + 0.38 * len(columns), 2.6 + 0.32 * len(rows)), layout="constrained")
    axes: Any = figure.subplots()
    largest = float(np.abs(terms[:most, :most]).max()) or 1.0
    shown = axes.imshow(terms, cmap=_colours(), vmin=-largest, vmax=largest, aspect="auto")
    for row, column in np.ndindex(terms.shape):
        if row >= most or column >= most:
            value = terms[row, column]
            colour = "white" if abs(value) > 0.7 * largest else "#1d2228"
            axes.text(column, row, f"{value:.2f}".replace("-", "−"), ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.set_xlabel(f"part at the key “{split.key_word}”")
    axes.set_ylabel(f"part at the query “{split.query_word}”")
    less = "" if split.against is None else f", less “{split.against}”"
    axes.set_title(f"{split.module}, head {split.head}: “{split.query_word}” → “{split.key_word}”{less}\n"
                   f"score {split.value:.2f}, the sum of all squares")  # fmt: skip
    bar = figure.colorbar(shown, ax=axes, label="adds to the score", shrink=0.7)
    bar.outline.set_visible(False)
    return figure


def _bars(split: TokenSplit, most: int) -> Figure:
    """A bar for each part, the largest on top."""
    from matplotlib.figure import Figure

    largest = split.largest(most)
    others = len(split.parts) - len(largest)
    names = [part.words for part, _ in largest] + ([f"{others} others"] if others else [])
    values = [value for _, value in largest]
    values += [split.sum - sum(values)] if others else []
    figure = Figure(figsize=(7, 1.3 + 0.27 * len(names)), layout="constrained")
    axes: Any = figure.subplots()
    axes.barh(range(len(names)), values, color=[BLUE if value >= 0 else ORANGE for value in values])
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="#1d2228", linewidth=0.8)
    less = "" if split.against is None else f" less that of “{split.against}”"
    axes.set_title(f"the logit of “{split.token}” after “{split.word}”{less}\n{split.value:.2f}, the sum of all bars")
    return figure


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("terms", (ORANGE, "#ffffff", BLUE))
