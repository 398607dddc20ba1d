"""`kqv export --to onnx`: what it writes and says, and that the lines it shows run."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed (pip install kqv[onnx])")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install kqv[onnx])")

import onnxruntime

from kqv.data.text.corpora import load_text
from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.systems.gpt.trained import load_gpt
from kqv.systems.translation.trained import load_translator
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

TEXT = "".join(f"{number} mal {number} ist {number * number}: schön!\n" for number in range(300))


@pytest.fixture
def exporting(kqv: Any, here: Path) -> Any:
    """The command line in a folder with two runs of small GPTs, `run` with characters and `pairs` with byte pairs."""
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    for name, plan in (("run", TextPlan(name="text.txt")), ("pairs", TextPlan(name="text.txt", tokenizer="bpe"))):
        recipe = GPTRecipe(
            name="small", model=Architecture(blocks=1, heads=2, width=16, context=32), data=plan,
            training=TrainingPlan(learning_rate=1e-2, batch=8, steps=20),
        )  # fmt: skip
        _, trainer = start(recipe, load_text("text.txt"), Path(name), torch.device("cpu"))
        trainer.train()
    return kqv


def shown(out: str, **given: str) -> str:
    """What the lines that a command shows print."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(out[out.index("import numpy") :], given)
    return printed.getvalue().removesuffix("\n")


@pytest.mark.parametrize("name", ["run", "pairs"])
def test_a_gpt_becomes_a_file_and_the_lines_that_it_shows_run(exporting: Any, name: str) -> None:
    done = exporting("export", name, "--to", "onnx", "out/model.onnx")
    assert done.status == 0, done.err
    for file in ("model.onnx", "tokenizer.json"):
        assert f"{Path('out', file).stat().st_size:,} bytes" in done.out
    loaded = load_gpt(Run(Path(name)))
    ids = loaded.tokenizer.encode(TEXT[:20]).astype(np.int64)[None]
    session = onnxruntime.InferenceSession("out/model.onnx")
    empty = {it.name: np.zeros((1, 2, 0, 8), np.float32) for it in session.get_inputs()[2:]}
    logits = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids), **empty})[0]
    np.testing.assert_allclose(logits, loaded.model(torch.from_numpy(ids)).detach().numpy(), atol=1e-4, rtol=0)
    printed = shown(done.out)
    assert len(printed) > 10
    assert set(printed) <= {*TEXT, "\ufffd"}


def test_a_network_of_digits_becomes_a_file(kqv: Any, run: Path) -> None:
    done = kqv("export", "latest", "--to", "onnx", "digits.onnx")
    assert done.status == 0, done.err
    assert "a network [64, 16, 10], in .:" in done.out
    assert shown(done.out).count(".") == 10, "a probability for each class"
    said = kqv("export", "latest", "--to", "onnx", "again.onnx", "--json").json
    assert (said["format"], said["files"], said["path"]) == ("onnx", ["again.onnx"], "again.onnx")


def test_a_translator_becomes_a_folder(kqv: Any, here: Path) -> None:
    words = ["null", "eins", "zwei", "drei", "vier"], ["zero", "one", "two", "three", "four"]
    pairs = [tuple(f"{side[a]} {side[b]}" for side in words) for a in range(5) for b in range(5)]
    Path("pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    done = kqv(
        "train", "translate", "--data", "pairs.tsv", "--recipe", "numbers-dates", "--out", "run", "--steps", "40",
        "--tokenizer", "bpe", "--vocab", "280", "--layers", "1", "--heads", "2", "--width", "16", "--batch", "256",
    )  # fmt: skip
    assert done.status == 0, done.err
    done = kqv("export", "run", "--to", "onnx", "out/model")
    assert done.status == 0, done.err
    assert {path.name for path in Path("out/model").iterdir()} >= {"encoder_model.onnx", "decoder_model.onnx"}
    assert all(path.name in done.out for path in Path("out/model").iterdir())
    loaded = load_translator(Run(Path("run")))
    sentences = [source for source, _ in pairs[::6]]
    found = [shown(done.out, line=sentence) for sentence in sentences]
    assert found == [loaded.translate(sentence, beams=1) for sentence in sentences]
    assert len({*found}) > 1


def test_what_cannot_be_is_said_in_one_line(exporting: Any) -> None:
    assert "model does not end in .onnx" in exporting("export", "run", "--to", "onnx", "model").problem
    assert (
        "no types to choose from, but got --type f16"
        in exporting("export", "run", "--to", "onnx", "m.onnx", "--type", "f16").problem
    )
    Path("m.onnx").write_text("mine")
    assert (
        "m.onnx already; choose the name of a new one" in exporting("export", "run", "--to", "onnx", "m.onnx").problem
    )
    assert Path("m.onnx").read_text() == "mine"
    assert not Path("tokenizer.json").exists()
