"""`kqv export --to gguf`: what it writes and says, and that every verb takes the file."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.data.text.corpora import load_text
from kqv.interchange.gguf import read
from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.systems.gpt.trained import load_gpt
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

TEXT = "".join(f"{number} mal {number} ist {number * number}: schön!\n" for number in range(300))


@pytest.fixture
def exporting(kqv: Any, here: Path) -> Any:
    """The command line in a folder with a run of a small GPT, `run`, and its text."""
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    recipe = GPTRecipe(
        name="small", model=Architecture(blocks=1, heads=2, width=16, context=32), data=TextPlan(name="text.txt"),
        training=TrainingPlan(learning_rate=1e-2, batch=8, steps=40),
    )  # fmt: skip
    _, trainer = start(recipe, load_text("text.txt"), Path("run"), torch.device("cpu"))
    trainer.train()
    return kqv


def test_a_run_becomes_a_file_that_every_verb_takes(exporting: Any) -> None:
    done = exporting("export", "run", "--to", "gguf", "out/model.gguf", "--type", "f16")
    assert done.status == 0, done.err
    assert "model.gguf" in done.out
    assert f"{Path('out/model.gguf').stat().st_size:,} bytes" in done.out
    assert "Note: llama.cpp computes GELU by its approximation" in done.out
    assert "Note: prompt and answer have to stay within the context of 32 tokens" in " ".join(done.out.split())
    model, tokenizer = read("out/model.gguf")
    loaded = load_gpt(Run(Path("run")))
    assert tokenizer is not None
    assert tokenizer.sha256 == loaded.tokenizer.sha256
    ids = torch.tensor([tokenizer.encode("12 mal 12 ist").tolist()])
    torch.testing.assert_close(model(ids), loaded.model(ids), atol=2e-2, rtol=0)

    written = exporting("generate", "out/model.gguf", "--prompt", "7 mal", "--tokens", "9", "--temperature", "0")
    assert written.status == 0, written.err
    scores = [exporting("evaluate", name, "--data", "text.txt", "--json").json for name in ("run", "out/model.gguf")]
    assert scores[1]["loss"] == pytest.approx(scores[0]["loss"], abs=5e-3)
    assert "blocks.0.attention.scores" in exporting("trace", "out/model.gguf", "7 mal 7").out
    again = exporting("export", "out/model.gguf", "--to", "gguf", "again.gguf", "--json").json
    assert (again["type"], again["files"], again["path"]) == ("f32", ["again.gguf"], "again.gguf")
    assert len(again["notes"]) == 1, "its GELU is llama.cpp's now"
    assert exporting("export", "out/model.gguf", "--to", "hugging-face", "folder").status == 0
    Path("folder/chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    assert exporting("export", "folder", "--to", "gguf", "third.gguf", "--type", "q8_0").status == 0
    assert exporting("export", "third.gguf", "--to", "hugging-face", "fourth").status == 0
    assert Path("fourth/chat_template.jinja").read_text(encoding="utf-8") == "{{ messages[0].content }}"


def test_the_lines_that_it_shows_run(exporting: Any) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (.ci/run builds it)")
    done = exporting("export", "run", "--to", "gguf", "model.gguf")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(done.out[done.out.index("from llama_cpp") :], {})
    assert set(printed.getvalue()) <= set(TEXT)
    assert len(printed.getvalue()) == 17, "half of the context, and a line's end"


def test_what_cannot_be_is_said_in_one_line(exporting: Any) -> None:
    refused = exporting("export", "run", "--to", "gguf", "model.gguf", "--type", "q4_k_m").problem
    assert "no type 'q4_k_m'; choose one of: f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0" in refused
    assert (
        "text.txt already; choose the name of a new one"
        in exporting("export", "run", "--to", "gguf", "text.txt").problem
    )
    assert "run is a folder" in exporting("export", "run", "--to", "gguf", "run").problem
    assert not Path("model.gguf").exists()
