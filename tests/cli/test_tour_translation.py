"""The tour's translation stage, in seconds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

from kqv.cli import tour_display, tour_translation
from kqv.cli.tour_translation import SCORED, SENTENCE, picture, sharpest
from kqv.data.parallel.load import load_parallel
from kqv.data.parallel.pairs import ParallelText
from kqv.systems.translation.traced import trace_translation
from kqv.systems.translation.trained import load_translator


@pytest.fixture(scope="module")
def text() -> ParallelText:
    return load_parallel("numbers-dates")


def test_the_translation_stage_trains_translates_and_shows_the_crossing(
    text: ParallelText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tour_translation, "load_parallel", {"numbers-dates": text}.__getitem__)
    monkeypatch.setattr("kqv.systems.translation.start.MOST_SCORED", 4)
    monkeypatch.setattr(tour_translation, "MINUTES", 0.01)
    monkeypatch.setattr(tour_translation, "BATCH", 256)
    monkeypatch.setattr(tour_translation, "SCORED", 4)
    for module in (tour_translation, tour_display):
        monkeypatch.setattr(module, "console", Console(width=200, highlight=False, soft_wrap=True))
    run = tour_translation.stage()
    printed = capsys.readouterr().out
    assert "head=4, query=11, key=14" in " ".join(printed.split())
    assert re.search(r"\d+ % of 4 such come out right", printed)
    assert "check       in float64" in printed
    assert f"kqv translate {run.path} {SENTENCE} --attention" in printed

    loaded = load_translator(run)
    assert f"{SENTENCE} → {loaded.translate(SENTENCE)}" in printed
    trace, words = trace_translation(loaded, SENTENCE, tour_translation.RIGHT)
    attention = sharpest(trace)
    rows = [word if len(word) == 1 else "⏎" for word in words.targets]
    assert picture(attention.weights.mean(0), rows, words.source) in printed, "the picture shows recorded weights"
    cell = re.search(r"--cell '(.*?)'", printed)
    assert cell is not None
    assert trace.cell(cell[1]).text(200) in printed


def test_what_the_tour_calls_unseen_is_not_trained_on(text: ParallelText) -> None:
    assert SENTENCE in dict(text.test)
    assert dict(text.test)[SENTENCE] == tour_translation.RIGHT
    assert SENTENCE not in dict(text.train)
    assert len(text.test) >= SCORED


def test_the_picture_shades_weights_and_names_the_largest() -> None:
    weights = torch.tensor([[0.05, 0.3, 0.65], [1.0, 0.0, 0.0]])
    assert picture(weights, ["x", "⏎"], ["a", "b", "</s>"]) == (
        "   a b ⏎  looks most at\nx    ░░▓▓ ⏎  65 %\n⏎  ██     a 100 %"
    )


def test_the_sharpest_block_looks_most_at_one_character(monkeypatch: pytest.MonkeyPatch) -> None:
    blurred, clear = (
        type("Fake", (), {"weights": torch.tensor(rows)})()
        for rows in ([[[0.5, 0.5], [0.6, 0.4]]], [[[0.9, 0.1], [0.2, 0.8]]])
    )
    monkeypatch.setattr(tour_translation, "cross_attentions", lambda trace: [blurred, clear])
    assert sharpest(None) is clear  # type: ignore[arg-type]
