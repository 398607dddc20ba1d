"""The commands of a GPT, from a text file to what it writes."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from text_runs import make_run

from kqv.models.architecture import Architecture
from kqv.systems.gpt.recipes import GPT_RECIPES, GPTRecipe, TextPlan
from kqv.tensors import read_tensors, write_tensors
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

TEXT = "".join(f"{number} mal {number} ist {number * number}: schön!\n" for number in range(300))


@pytest.fixture
def trained(kqv: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, where a small GPT was trained on a text file: runs/gpt-text.txt-1."""
    small = GPTRecipe(
        name="gpt", model=Architecture(blocks=1, heads=2, width=16, context=16), data=TextPlan(),
        training=TrainingPlan(learning_rate=1e-2, batch=8, steps=30),
    )  # fmt: skip
    monkeypatch.setitem(GPT_RECIPES, "gpt", lambda *_: small)
    monkeypatch.setattr("kqv.systems.gpt.recipes.gpt", lambda *_: small)
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    done = kqv("train", "gpt", "--data", "text.txt", "--steps", "30")
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


def test_a_trace_without_a_text_says_which_it_took(trained: Any) -> None:
    shown = " ".join(trained("trace", "latest").out.split())
    assert "the held-out text's beginning, '" in shown
    assert "held-out" not in trained("trace", "latest", "12").out


def test_one_step_is_not_several(trained: Any) -> None:
    assert "Trained 1 step in" in trained("train", "gpt", "--data", "text.txt", "--steps", 1).out


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
    for given in (b"7 mal\n", b"\xef\xbb\xbf7 mal", b"7 mal\r\n"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given), encoding="ascii"))
        assert trained("generate", "latest", "--tokens", "5").out.startswith("7 mal"), given


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_piped_prompt_that_is_not_utf_8_is_one_line(
    trained: Any, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"7 mal\n\xff\n"), encoding=encoding))
    done = trained("generate", "latest", "--tokens", "5")
    assert done.status == 1
    assert done.err == "error: standard input, line 2: not UTF-8 (invalid start byte); convert it first\n"


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


def test_of_blocks_that_are_alike_one_is_shown(kqv: Any, here: Path) -> None:
    run = make_run(Path("two"), blocks=3)
    short = kqv("trace", run.path, "12 mal 1").out
    assert "\nblocks.0.attention\n" in short
    assert "blocks.1 … blocks.2: as blocks.0" in short
    assert "\nblocks.1" not in short.replace("\nblocks.1 …", "")
    assert "8 tokens, each but the last" in short.split("parameters\n")[-1], "what is said stands after the table"
    whole = kqv("trace", run.path, "12 mal 1", "--all").out
    assert "\nblocks.2.attention\n" in whole
    assert "as blocks.0" not in whole


def test_runs_lists_the_loss_and_how_to_resume(trained: Any) -> None:
    run = Path("runs/gpt-text.txt-1")
    loss = Run(run).metrics()[-1]["validation_loss"]
    assert f"loss {loss:.4f}" in trained("runs").out
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["training"]["steps"] = 1000
    (run / "config.json").write_text(json.dumps(config))
    assert trained("runs").out.splitlines()[-1].endswith(f"kqv train gpt --resume {run}")
    wrong = trained("train", "digits", "--resume", str(run)).problem
    assert f"{run} is a gpt run; resume it with: kqv train gpt --resume" in wrong


def test_the_best_weights_are_scored(trained: Any) -> None:
    assert "best.safetensors" in trained("evaluate", "latest", "--best").problem
    run = Run(Path("runs/gpt-text.txt-1"))
    last = trained("evaluate", "latest", "--json").json["loss"]
    weights = {name: torch.zeros_like(tensor) for name, tensor in read_tensors(run.model_file)[0].items()}
    write_tensors(run.best_file, weights, {}, run.identity)
    best = trained("evaluate", "latest", "--best", "--json").json["loss"]
    assert best == pytest.approx(math.log(run.config.recipe.data.vocab)), "all tokens are equally likely"
    assert trained("evaluate", "latest", "--json").json["loss"] == last


@pytest.mark.parametrize("words", [["train", "gpt", "--data", "text.txt"], ["train", "digits"]], ids=" ".join)
def test_measurements_go_to_tensorboard(trained: Any, words: list[str]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = trained(*words, "--steps", "3", "--tensorboard", "--out", "shown")
    assert done.status == 0, done.err
    events = EventAccumulator("shown/tensorboard")
    events.Reload()
    for name in ("loss", "validation_loss"):
        told = {line["step"]: line[name] for line in Run(Path("shown")).metrics() if name in line}
        assert {event.step: event.value for event in events.Scalars(name)} == pytest.approx(told)


@pytest.mark.parametrize("words", [["train", "gpt", "--data", "text.txt"], ["train", "digits"]], ids=" ".join)
def test_without_tensorboard_no_run_is_made(trained: Any, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.training.tensorboard.find_spec", lambda name: None)
    assert 'pip install "kqv[tensorboard]"' in trained(*words, "--tensorboard", "--out", "shown").problem
    assert not Path("shown").exists()


def test_precision_is_the_runs_own(trained: Any) -> None:
    words = ("train", "gpt", "--data", "text.txt", "--steps", "4")
    for precision in ("float32", "bfloat16"):
        done = trained(*words, "--precision", precision, "--out", precision)
        assert done.status == 0, done.err
        assert Run(Path(precision)).recipe.training.precision == precision
    one, other = (read_tensors(Run(Path(name)).model_file)[0] for name in ("float32", "bfloat16"))
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert all(tensor.dtype == torch.float32 for tensor in other.values())
    if not torch.cuda.is_available():
        refused = trained(*words, "--device", "cpu", "--precision", "float16", "--out", "none").problem
        assert "choose --precision bfloat16 or float32" in refused
        assert not Path("none").exists()


def test_compiling_needs_a_compiler(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    refused = trained("train", "gpt", "--data", "text.txt", "--compile", "--out", "none").problem
    assert "--compile needs a C++ compiler" in refused
    assert not Path("none").exists()


def test_learning_a_vocabulary_is_announced(trained: Any) -> None:
    told = trained("train", "gpt", "--data", "text.txt", "--tokenizer", "bpe", "--steps", "1").err
    assert told.startswith("learning byte pairs from 0.0 MB of text …\n")
    again = trained("train", "gpt", "--data", "text.txt", "--from", "latest", "--steps", "1").err
    assert "learning byte pairs" not in again
    assert "from the weights of runs/gpt-text.txt-2; AdamW, learning rate 0.01" in again


def test_it_goes_on_and_starts_from_another(trained: Any) -> None:
    assert trained("train", "gpt", "--resume", "latest", "--steps", "40").status == 0
    assert [row["step"] for row in trained("runs", "--json").json["runs"]] == [40]
    assert (
        trained("train", "gpt", "--from", "latest", "--data", "text.txt", "--out", "next", "--steps", "5").status == 0
    )
    assert Path("next/tokenizer.json").read_bytes() == Path("runs/gpt-text.txt-1/tokenizer.json").read_bytes()


def test_what_cannot_be_is_said_in_one_line(trained: Any) -> None:
    assert "U+0416" in trained("generate", "latest", "--prompt", "Ж").problem
    assert "is a gpt run; this needs one of digits" in trained("classify", "runs/gpt-text.txt-1", "text.txt").problem
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


@pytest.mark.parametrize(("steps", "said"), [(120, "dropout 0.2 against overfitting"), (6, "")])
def test_a_text_that_is_seen_often_is_trained_with_dropout_and_that_is_said(
    steps: int, said: str, kqv: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = GPTRecipe(
        name="gpt", model=Architecture(blocks=1, heads=2, width=16, context=16, dropout=None), data=TextPlan(),
        training=TrainingPlan(learning_rate=1e-2, batch=64, steps=1),
    )  # fmt: skip
    monkeypatch.setattr("kqv.systems.gpt.recipes.gpt", lambda *_: small)
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    done = kqv("train", "gpt", "--data", "text.txt", "--steps", steps)
    assert done.status == 0, done.err
    shown = " ".join((done.out + done.err).split())
    assert said in shown
    assert ("dropout" in shown) == bool(said)
    assert Run.find("latest").recipe.model_dump()["model"]["dropout"] == (0.2 if said else 0.0)
