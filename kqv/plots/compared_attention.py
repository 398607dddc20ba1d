"""The attention maps of several models on the same text side by side, with one colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kqv.plots.attention import COLOURS, FRAME, INK, MOST_NAMED, QUIET
from kqv.plots.figures import STYLE, save_figure, shortened
from kqv.trace.views.attention import Attention
from kqv.trace.views.words import readable

COLUMNS = 4
PANEL, ROOM = 2.3, 0.55  # inches: a map's side, and what its tokens and its title need
LEAST_GAP = 1e-3  # of means over a map: heads that differ by less are not told apart


@dataclass(frozen=True, eq=False)
class Maps:
    """One model's attentions, all of them in the order of the pass, under the name that the figure gives it."""

    label: str
    attentions: Sequence[Attention]


@dataclass(frozen=True)
class Head:
    """Which head of which attention, by number, and how far the models' maps of it lie apart on average."""

    attention: int
    head: int
    gap: float


def comparable(models: Sequence[Maps]) -> bool:
    """Whether all have the same attentions on the same tokens, as many heads each."""
    shapes = [[(one.module, tuple(one.weights.shape)) for one in maps.attentions] for maps in models]
    return bool(shapes and shapes[0]) and all(shape == shapes[0] for shape in shapes)


def most_different(models: Sequence[Maps], count: int = COLUMNS) -> list[Head]:
    """So many heads whose maps differ most from the first model's, in the order of the pass."""
    found = []
    for number, attention in enumerate(models[0].attentions):
        gaps = torch.stack(
            [(maps.attentions[number].weights - attention.weights).abs().mean((1, 2)) for maps in models[1:]]
        ).amax(0)
        found += [Head(number, head, float(gap)) for head, gap in enumerate(gaps)]
    chosen = sorted(found, key=lambda head: -head.gap)[:count]
    return sorted(chosen, key=lambda head: (head.attention, head.head))


def plot_compared_attention(models: Sequence[Maps], path: Path, title: str = "") -> None:
    """Write a row of maps for each model and a column for each of the heads that differ most, on one colour scale.

    Raises `Error` for an unknown ending or a position that cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    heads = most_different(models)
    scale = _scale([maps.attentions[head.attention].weights[head.head] for maps in models for head in heads])
    with rc_context({**STYLE, "font.sans-serif": ["DejaVu Sans"], "axes.titleweight": "normal"}):
        size = (1.9 + len(heads) * (PANEL + 0.15), 0.8 + len(models) * PANEL + ROOM)
        figure = Figure(figsize=size, layout="constrained")
        axes: Any = figure.subplots(len(models), len(heads), squeeze=False)
        for row, maps in enumerate(models):
            for column, head in enumerate(heads):
                image = _map(axes[row][column], maps, head, scale, first=column == 0, last=row == len(models) - 1)
                if row == 0:
                    heading = maps.attentions[head.attention].heading
                    axes[row][column].set_title(f"{heading}, head {head.head}", color=QUIET, fontsize=8.5)
            axes[row][0].set_ylabel(shortened(maps.label, 30), color=INK, fontsize=10, fontweight="bold")
        figure.colorbar(image, ax=axes, shrink=0.5, aspect=30, label="attention weight", pad=0.01)
        figure.suptitle(title or "The same text in each model", x=0.01, ha="left", color=INK, fontweight="bold")
        save_figure(figure, path)


def _scale(weights: Sequence[Tensor]) -> Any:
    """White at 0 and blue up to the largest weight, at least 1; red for negative weights, which some scores have."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm

    lowest, highest = (float(torch.stack([end(one) for one in weights]).max()) for end in (_negated, torch.amax))
    highest = max(1.0, highest)
    if lowest <= 0:
        return LinearSegmentedColormap.from_list("attention", COLOURS), Normalize(0, highest)
    both = ("#7a1f10", "#D55E00", *COLOURS)
    return LinearSegmentedColormap.from_list("signed", both), TwoSlopeNorm(0, -lowest, highest)


def _negated(weights: Tensor) -> Tensor:
    return -weights.amin()


def _map(axes: Any, maps: Maps, head: Head, scale: Any, first: bool, last: bool) -> Any:
    """One head's weights `[query, key]`."""
    attention = maps.attentions[head.attention]
    colours, norm = scale
    weights = attention.weights[head.head].double().numpy()
    image = axes.imshow(weights, cmap=colours, norm=norm, aspect="auto", interpolation="none")
    for side in axes.spines.values():
        side.set(visible=True, color=FRAME)
    for names, ticks, wanted, turned in (
        (attention.queries, axes.set_yticks, first, 0), (attention.keys, axes.set_xticks, last, 90)
    ):  # fmt: skip
        words = [shortened(readable(name)) for name in names] if len(names) <= MOST_NAMED and wanted else []
        ticks(np.arange(len(words)), words, rotation=turned)
    axes.tick_params(length=0, labelsize=7.5, labelcolor=INK, pad=2)
    axes.set_box_aspect(1)
    return image
