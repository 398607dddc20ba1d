"""`kqv trace`: as text, as one JSON object, as files, and what a word attends to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kqv.trace.views.export import read_json

TEXT = "".join(f"{a} plus {b} is {a + b}.\n" for a in range(12) for b in range(40))


@pytest.fixture
def kqv_with_runs(kqv: Any) -> Any:
    """The command, in a folder with a run of each system."""
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    sizes = ("--layers", "2", "--heads", "2", "--width", "16", "--context", "32", "--batch", "4")
    assert kqv("train", "gpt", "--data", "text.txt", "--out", "gpt", "--steps", "2", *sizes).status == 0
    assert kqv("train", "digits", "--out", "digits", "--steps", "2").status == 0
    return kqv


def test_json_is_one_object_alone(kqv_with_runs: Any) -> None:
    said = kqv_with_runs("trace", "digits", "--json").json
    assert (said["model"], said["input"]) == ("digits", "0")
    assert {"layers.0.z", "cost", "verdict"} <= {tensor["name"] for tensor in said["tensors"]}
    cells = kqv_with_runs("trace", "digits", "5", "--cell", "layers.0.z[0,7]", "--cell", "cost", "--json").json
    assert cells["cells"][0]["cell"].startswith("layers.0.z")
    assert "tensors" not in cells


def test_a_words_attention_as_table_json_and_figure(kqv_with_runs: Any) -> None:
    shown = kqv_with_runs("trace", "gpt", "1 plus 2 is 3", "--word", "plus", "--plot", "plus.png")
    assert "What “plus” (tokens 2 to 5; the last one attends, of 13)" in " ".join(shown.out.split())
    assert Path("plus.png").read_bytes().startswith(b"\x89PNG")
    said = kqv_with_runs("trace", "gpt", "1 plus 2 is 3", "--word", "plus", "--json").json
    assert {row["attention"] for row in said["attention"]} == {"blocks.0.attention", "blocks.1.attention"}
    for head in (0, 1):
        rows = [row for row in said["attention"] if (row["attention"], row["head"]) == ("blocks.0.attention", head)]
        assert sum(row["weight"] for row in rows) == pytest.approx(1, abs=1e-5)
    assert "--word" in kqv_with_runs("trace", "gpt", "1 plus", "--plot", "x.png").problem
    assert "the text has no" in kqv_with_runs("trace", "gpt", "1 plus 2", "--word", "minus").problem
    assert "no attention weights" in kqv_with_runs("trace", "digits", "--word", "it").problem


def test_a_trace_is_exported_whole(kqv_with_runs: Any) -> None:
    assert kqv_with_runs("trace", "gpt", "1 plus 2", "--export", "files").status == 0
    stored = read_json("files")
    assert "blocks.1.attention.weights" in stored.values
    assert "blocks.1.attention.weights" in stored.gradients


def test_the_last_token_asks_too(kqv_with_runs: Any) -> None:
    said = kqv_with_runs("trace", "gpt", "1 plus 2", "--json").json
    queries = {t["name"]: t for t in said["tensors"]}["blocks.0.attention.weights"]
    assert dict(zip(queries["dimensions"], queries["sizes"], strict=True))["query"] == len("1 plus 2")
