"""The figure of a split: the parts with the largest terms by themselves, and everything sums up."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kqv.plots.why import folded, plot_split
from kqv.why.parts import Part
from kqv.why.score import ScoreSplit


def split_of(rows: int, columns: int) -> ScoreSplit:
    queries, keys = (tuple(Part(f"p{at}", f"part {at}", "other") for at in range(count)) for count in (rows, columns))
    chance = torch.Generator().manual_seed(1)
    terms = torch.randn(rows, columns, generator=chance, dtype=torch.float64)
    return ScoreSplit(
        "scores[0,0,1,0]", "attention", 0, 1, 0, "it", "pizza", float(terms.sum()), 0.5, queries, keys, terms
    )


@pytest.mark.parametrize(("rows", "columns"), [(9, 7), (3, 4), (4, 9)])
def test_the_map_sums_to_the_score(rows: int, columns: int, tmp_path: Path) -> None:
    split = split_of(rows, columns)
    terms, row_names, column_names = folded(split, 4)
    assert terms.sum() == pytest.approx(split.sum)
    assert terms.shape == (len(row_names), len(column_names)) == (min(rows, 5), min(columns, 5))
    at_row, at_column = (int(names[0].removeprefix("part ")) for names in (row_names, column_names))
    assert terms[0, 0] == float(split.terms[at_row, at_column])
    assert (row_names[-1] == f"{rows - 4} others") == (rows > 4)
    plot_split(split, tmp_path / "map.png", 4)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
