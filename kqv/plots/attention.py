"""What a word attends to: attention maps with the tokens on their axes, one for each of some heads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kqv.plots.figures import STYLE, save_figure
from kqv.trace.views.attention import Attended, AttendedWord
from kqv.trace.views.words import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADS = 12
COLUMNS = 4
MOST_NAMED = 24  # tokens up to which each is named on the axes
LONGEST = 14  # characters of a token on an axis
INK, QUIET, FRAME, UNSEEN, MARK = "#1d2228", "#5d6670", "#c9c5bb", "#f4f2ed", "#D55E00"
COLOURS = ("#ffffff", "#d9e8f5", "#8fbfe3", "#2f7fbf", "#0b4a86", "#072c55")  # from a weight of 0 to one of 1
WIDTH, PANEL, TITLE, HEAD = (
    11.07,
    2.5,
    0.46,
    0.42,
)  # inches; at 150 dots each twice as fine as a page that shows 830 pixels


def plot_attention(found: AttendedWord, path: Path, heads: int = HEADS, title: str = "") -> None:
    """Write the maps of so many heads that a word uses to `path`, with one colour scale; the word's row is framed.

    For each word that is attended to stands the head that gives it most, then the strongest others. Raises `Error` for
    an unknown ending or a position that cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = found.varied(heads)
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    with rc_context({**STYLE, "font.sans-serif": ["DejaVu Sans"], "axes.titleweight": "normal"}):
        shares = len({(row.attention.queries, row.attention.keys) for row in rows}) == 1
        below = _room(rows[0].attention.keys) if shares else 0.15
        high = lines * (PANEL + TITLE + (0.0 if shares else 0.9)) + below + HEAD
        figure = Figure(figsize=(WIDTH * (0.08 + 0.23 * columns), high), layout="constrained")
        engine: Any = figure.get_layout_engine()
        engine.set(w_pad=0.05, h_pad=0.03, wspace=0.02, hspace=0.0, rect=(0, 0, 1, 1 - HEAD / high))
        axes: Any = figure.subplots(lines, columns, squeeze=False)
        for position, panel in enumerate(axes.flat):
            if position < len(rows):
                is_last = position + columns >= len(rows)
                _map(panel, rows[position], found, left=not position % columns or not shares, low=is_last or not shares)
            else:
                panel.axis("off")
        _heading(figure, title or f"What “{found.word}” attends to")
        save_figure(figure, path)


def _heading(figure: Figure, title: str) -> None:
    """The title, and the colour scale at its right."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    wide, high = figure.get_size_inches()
    figure.text(
        0.1 / wide, 1 - 0.1 / high, title, va="top", ha="left", fontsize=14, fontweight="bold", color=INK
    ).set_in_layout(False)
    if wide < WIDTH / 2:
        return
    corner: Any = figure.add_axes((1 - 2.5 / wide, 1 - 0.22 / high, 2.2 / wide, 0.1 / high), in_layout=False)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), colours()), cax=corner, orientation="horizontal", format="%g",
        ticks=[0, 0.25, 0.5, 0.75, 1],
    )  # fmt: skip
    corner.text(-0.03, 0.4, "attention weight", transform=corner.transAxes, ha="right", va="center", color=QUIET)
    bar.outline.set_edgecolor(FRAME)
    corner.tick_params(length=2, pad=2, color=FRAME, labelcolor=QUIET, labelsize=7.5)


def colours() -> Any:
    """White for nothing, dark blue for a weight of 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("attention", COLOURS, bad=UNSEEN)


def _map(axes: Any, row: Attended, found: AttendedWord, left: bool, low: bool) -> None:
    """One head's weights `[query, key]`; what no query may see is grey."""
    from matplotlib.patches import Rectangle

    attention = row.attention
    weights = attention.weights[row.head].double().numpy()
    later = np.triu(np.ones(weights.shape, dtype=bool), 1) if attention.queries == attention.keys else None
    unseen = (weights == 0) & later if later is not None else np.zeros_like(weights, dtype=bool)
    axes.imshow(np.ma.array(weights, mask=unseen), cmap=colours(), vmin=0, vmax=1, aspect="auto", interpolation="none")
    queries, keys = weights.shape
    if max(queries, keys) <= MOST_NAMED:
        axes.set_xticks(np.arange(-0.5, keys), minor=True)
        axes.set_yticks(np.arange(-0.5, queries), minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
    axes.add_patch(
        Rectangle((-0.5, row.query - 0.5), keys, 1, fill=False, edgecolor=MARK, linewidth=1.6, clip_on=False, zorder=5)
    )
    for side in axes.spines.values():
        side.set(visible=True, color=FRAME)
    axes.tick_params(which="both", length=0)
    axes.set_box_aspect(1)
    _ticks(axes, row, left, low)
    axes.text(0, 1.115, f"{attention.heading}, head {row.head}", transform=axes.transAxes, color=QUIET, fontsize=8.5)
    axes.text(
        0, 1.025, f"{_short(found.word)} → {_short(row.word)}  {row.weight:.2f}", transform=axes.transAxes, color=INK,
        fontsize=10.5, fontweight="bold",
    )  # fmt: skip


def _ticks(axes: Any, row: Attended, left: bool, low: bool) -> None:
    """Tokens on the axes: all of a short text, of a long one the word and what it attends to."""
    queries, keys = row.attention.queries, row.attention.keys
    named_queries = range(len(queries)) if len(queries) <= MOST_NAMED else [row.query]
    named_keys = range(len(keys)) if len(keys) <= MOST_NAMED else [row.keys[0]]
    axes.set_yticks(list(named_queries), [_short(readable(queries[at])) for at in named_queries] if left else [])
    show = low or len(keys) > MOST_NAMED
    axes.set_xticks(list(named_keys), [_short(readable(keys[at])) for at in named_keys] if show else [], rotation=90)
    axes.tick_params(labelsize=9, labelcolor=INK, pad=3)
    for label, position in zip(axes.get_yticklabels(), named_queries, strict=False):
        if position == row.query:
            label.set(color=MARK, fontweight="bold")


def _room(keys: tuple[str, ...]) -> float:
    """Inches for tokens that stand upright under the maps."""
    return 0.2 + 0.09 * max(len(_short(readable(key))) for key in keys)


def _short(token: str) -> str:
    return token if len(token) <= LONGEST else f"{token[: LONGEST - 1]}…"
