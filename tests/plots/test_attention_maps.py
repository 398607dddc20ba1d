"""The picture of what a word attends to: its maps are the recorded weights, its titles the strongest words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import kqv.plots.attention as plots
from kqv.errors import Error
from kqv.plots.attention import plot_attention
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.attention import AttendedWord, attended


class Attending(nn.Module):
    """Attention weights of one layer, random but causal."""

    def __init__(self, heads: int, tokens: int) -> None:
        super().__init__()
        scores = torch.randn(1, heads, tokens, tokens, generator=torch.Generator().manual_seed(heads))
        self.scores = scores.masked_fill(torch.ones(tokens, tokens).triu(1).bool(), -torch.inf)

    def forward(self) -> Tensor:
        return note("weights", torch.softmax(self.scores, -1), "batch head query key")


def word(heads: int = 4, tokens: int = 6, markup: bool = False) -> tuple[Trace, AttendedWord]:
    model = Attending(heads, tokens)
    with Trace(model) as trace:
        model()
    for dimension in ("query", "key"):
        labels = [f"␣$w_{number}^" if markup else f"␣w{number}" for number in range(tokens)]
        trace.annotate(dimension=dimension, labels=labels)
    return trace, attended(trace, labels[-2])


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_says_the_format(tmp_path: Path, ending: str, begins: bytes) -> None:
    path = tmp_path / f"maps.{ending}"
    plot_attention(word(markup=True)[1], path)
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(Error, match="end it in"):
        plot_attention(word()[1], tmp_path / "maps.gif")


def test_maps_are_the_recorded_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[matplotlib.figure.Figure] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure))
    trace, found = word()
    plot_attention(found, tmp_path / "maps.png", heads=3)
    panels: list[Any] = [axes for axes in drawn[0].axes if axes.images]
    assert len(panels) == 3
    for panel, row in zip(panels, found.varied(3), strict=True):
        shown = np.ma.filled(panel.images[0].get_array(), 0.0)
        np.testing.assert_array_equal(shown, trace["weights"].value[0, row.head].double().numpy())
        assert panel.images[0].get_clim() == (0, 1)  # one scale for all
        texts = [text.get_text() for text in panel.texts]
        assert texts[-1] == f"w4 → {row.word}  {row.weight:.2f}"
        assert f"head {row.head}" in texts[0]
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert labels == [f"w{number}" for number in range(6)]


def test_each_word_has_its_strongest_head_among_the_maps() -> None:
    trace, found = word(heads=8)
    weights = trace["weights"].value[0, :, 4]
    shown = {(row.head, row.word) for row in found.varied(8)}
    for key in range(1, 4):
        strongest = int(weights[:, key].argmax())
        assert strongest in {head for head, _ in shown}
    sizes = [row.weight for row in found.varied(8)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(found.varied(3)) == 3


@pytest.mark.parametrize(("heads", "tokens"), [(1, 2), (1, 40), (12, 11), (5, 60)])
def test_any_number_of_heads_and_tokens_is_drawn(tmp_path: Path, heads: int, tokens: int) -> None:
    path = tmp_path / "maps.png"
    plot_attention(word(heads, tokens)[1], path)
    assert np.asarray(Image.open(path).convert("L")).std() > 10
    assert path.stat().st_size < 300_000
