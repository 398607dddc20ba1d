"""The commands with an encoder: trace in all its ways, and one line for what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_encoders import encoder_folder

TEXT = "The pizza came out of the oven and it tasted good."


@pytest.fixture
def model(here: Path) -> str:
    encoder_folder(here / "encoder")
    return "encoder"


def test_a_trace_shows_its_tensors(kqv: Any, model: str) -> None:
    shown = kqv("trace", model, TEXT)
    assert shown.status == 0
    assert "blocks.0.attention" in shown.out
    assert "an encoder of BERT's architecture, 2 blocks, 4 heads, 24 wide" in shown.out
    assert f"kqv trace {model} '{TEXT}' --cell" in " ".join(shown.out.split())


def test_a_word_is_drawn_and_every_file_is_written(kqv: Any, model: str) -> None:
    shown = kqv(
        "trace", model, TEXT, "--word", "it", "--plot", "it.png", "--html", "it.html", "--export", "numbers"
    )  # fmt: skip
    assert shown.status == 0, shown.err
    assert "What “it” (token 9, of 14) attends to, in 8 heads of 2 layers" in shown.out
    assert Path("it.png").read_bytes().startswith(b"\x89PNG")
    assert "blocks.1.attention.weights" in Path("it.html").read_text(encoding="utf-8")
    assert any(Path("numbers").iterdir())


def test_json_has_the_word_and_the_cells(kqv: Any, model: str) -> None:
    words = ("--word", "it", "--cell", "grad:tokens.weight[5,3]", "--like", "the oven was hot", "--json")
    found = kqv("trace", model, TEXT, *words).json
    assert {row["word"] for row in found["attention"]} >= {"pizza", "oven", "good"}
    assert len(found["cells"]) == 1


def test_its_own_command_is_shown_with_the_other_text(kqv: Any, model: str) -> None:
    shown = " ".join(kqv("trace", model, TEXT, "--like", "the oven").out.split())
    assert "similarity to 'the oven':" in shown
    assert "--like 'the oven' --cell" in shown


def test_what_it_cannot_is_one_line(kqv: Any, model: str) -> None:
    nothing = "which reads text and writes none"
    assert nothing in kqv("generate", model, "--prompt", "a").problem
    assert nothing in kqv("export", model, "other", "--to", "hugging-face").problem
    assert nothing in kqv("train", "gpt", "--data", "python-docs", "--from", model).problem
    assert "there is nothing to score" in kqv("evaluate", model).problem
    assert "say which text to trace" in kqv("trace", model).problem


def test_only_an_encoder_compares(kqv: Any, finished_run: Path) -> None:
    problem = kqv("trace", finished_run, "--like", "a text").problem
    assert "--like compares two texts, which an encoder does" in problem
