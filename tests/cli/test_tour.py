"""The tour's GPT stage, in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from kqv.cli import tour, tour_display, tour_gpt
from kqv.systems.gpt.trained import load_gpt


def test_the_gpt_stage_trains_shows_shapes_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tour_gpt, "MINUTES", 0.02)
    monkeypatch.setattr(tour_gpt, "WRITTEN", 40)
    for module in (tour_gpt, tour_display):
        monkeypatch.setattr(module, "console", Console(width=200, highlight=False, soft_wrap=True))
    run = tour_gpt.stage()
    printed = " ".join(capsys.readouterr().out.split())
    assert "blocks.0.attention.queries" in printed
    assert "head=4, query=" in printed
    assert tour_gpt.PROMPT.strip() in printed
    assert f"kqv generate {run.path}" in printed
    assert run.config.recipe.training.sample_tokens == 0
    assert load_gpt(run).model.vocab > 90


def test_the_tour_ends_at_the_lab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tour, "STAGES", {})
    tour.tour()
    assert capsys.readouterr().out.endswith("kqv lab\n")
