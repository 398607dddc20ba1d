"""The commands of a GPT, from a text file to what it writes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from kqv.training.gpt_recipes import GPT_RECIPES, GPTPlan, GPTRecipe, TextPlan
from kqv.training.plans import TrainingPlan

TEXT = "".join(f"{number} mal {number} ist {number * number}: schön!\n" for number in range(300))


@pytest.fixture
def trained(kqv: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, where a small GPT was trained on a text file: runs/gpt-text.txt-1."""
    small = GPTRecipe(
        name="gpt", model=GPTPlan(blocks=1, heads=2, model=16, context=16), data=TextPlan(),
        training=TrainingPlan(learning_rate=1e-2, batch=8, steps=30),
    )  # fmt: skip
    monkeypatch.setitem(GPT_RECIPES, "gpt", lambda: small)
    monkeypatch.setattr("kqv.training.gpt_recipes.gpt", lambda: small)
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    done = kqv("train", "gpt", "--data", "text.txt")
    assert done.status == 0, done.err
    assert "kqv generate runs/gpt-text.txt-1" in done.out
    return kqv


def test_a_text_is_written_and_scored(trained: Any) -> None:
    written = trained("generate", "latest", "--prompt", "12 mal", "--tokens", "40")
    assert written.status == 0
    assert written.out.startswith("12 mal")
    assert len(written.out.rstrip("\n")) == len("12 mal") + 40  # characters are tokens here
    assert trained("generate", "latest", "--prompt", "12 mal", "--tokens", "40").out == written.out
    other = trained("generate", "latest", "--prompt", "12 mal", "--tokens", "40", "--seed", "2")
    assert other.out != written.out
    scores = trained("evaluate", "latest", "--json").json
    assert scores["split"] == "validation"
    assert scores["tokens"] == len(TEXT) - int(0.9 * len(TEXT)) - 1
    assert set(scores) >= {"loss", "perplexity", "bits_per_byte"}


def test_choices_are_shown(trained: Any) -> None:
    shown = trained("generate", "latest", "--prompt", "1", "--tokens", "3", "--probabilities")
    assert len(shown.out.splitlines()) == 4
    said = trained("generate", "latest", "--prompt", "1", "--tokens", "3", "--samples", "2", "--json").json
    assert [len(sample["tokens"]) for sample in said["samples"]] == [3, 3]
    for sample in said["samples"]:
        assert sample["text"] == "".join(step["token"] for step in sample["tokens"])
        for step in sample["tokens"]:
            assert any(candidate["id"] == step["id"] for candidate in step["candidates"])
    assert json.dumps(said)


def test_a_prompt_may_be_piped_in(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("7 mal\n"))
    assert trained("generate", "latest", "--tokens", "5").out.startswith("7 mal")


def test_any_number_is_explained(trained: Any) -> None:
    shown = trained(
        "trace", "latest", "12 mal 1", "--cell", "blocks.0.attention.scores[0,1,3,2]",
        "--cell", "grad:tokens.weight[3,2]", "--cell", "update:blocks.0.feed_forward.widen.weight[3,2]",
    )  # fmt: skip
    assert shown.status == 0, shown.err
    assert shown.out.count("=") > 3
    table = trained("trace", "latest", "12 mal 1")
    assert "GPT" in table.out
    assert "queries" in table.out
    assert trained("trace", "latest").status == 0  # of the text that was held out


def test_it_goes_on_and_starts_from_another(trained: Any) -> None:
    assert trained("train", "gpt", "--resume", "latest", "--steps", "40").status == 0
    assert [row["step"] for row in trained("runs", "--json").json["runs"]] == [40]
    assert (
        trained("train", "gpt", "--from", "latest", "--data", "text.txt", "--out", "next", "--steps", "5").status == 0
    )
    assert Path("next/tokenizer.json").read_bytes() == Path("runs/gpt-text.txt-1/tokenizer.json").read_bytes()


def test_what_cannot_be_is_said_in_one_line(trained: Any) -> None:
    assert "U+0416" in trained("generate", "latest", "--prompt", "Ж").problem
    assert "is a gpt run; this needs one of digits" in trained("classify", "latest", "text.txt").problem
    assert "no such figure" in trained("evaluate", "latest", "--plot", "x.png").problem
    assert "temperature" in trained("generate", "latest", "--prompt", "1", "--temperature", "nan").problem
    Path("empty.txt").write_text("", encoding="utf-8")
    assert "empty" in trained("train", "gpt", "--data", "empty.txt").problem
    Path("binary.txt").write_bytes(bytes(range(256)))
    assert "binary.txt" in trained("train", "gpt", "--data", "binary.txt").problem
    Path("short.txt").write_text("short", encoding="utf-8")
    assert "context" in trained("train", "gpt", "--data", "short.txt").problem
    tokenizer = Path("runs/gpt-text.txt-1/tokenizer.json")
    tokenizer.write_text("{}")
    assert "tokenizer.json is damaged" in trained("generate", "latest", "--prompt", "1").problem
    tokenizer.unlink()
    assert "there is no tokenizer" in trained("generate", "latest", "--prompt", "1").problem
