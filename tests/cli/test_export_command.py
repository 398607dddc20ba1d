"""`kqv export`, and a training that starts from what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.data.text.corpora import load_text
from kqv.interchange.hugging_face import read
from kqv.models.architecture import Architecture
from kqv.systems.gpt.fine_tuning import fine_tuning
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.systems.gpt.trained import load_gpt
from kqv.tensors import weights_of, write_tensors
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

TEXT = "".join(f"{number} mal {number} ist {number * number}: schön!\n" for number in range(300))


@pytest.fixture
def exporting(kqv: Any, here: Path) -> Any:
    """The command line in a folder with a run of a small GPT, `run`, and its text."""
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    recipe = GPTRecipe(
        name="small", model=Architecture(blocks=1, heads=2, width=16, context=16), data=TextPlan(name="text.txt"),
        training=TrainingPlan(learning_rate=1e-2, batch=8, steps=3),
    )  # fmt: skip
    _, trainer = start(recipe, load_text("text.txt"), Path("run"), torch.device("cpu"))
    trainer.train()
    return kqv


def test_a_run_is_exported_and_says_how_to_load_it(exporting: Any) -> None:
    done = exporting("export", "run", "--to", "hugging-face", "out/model")
    assert done.status == 0, done.err
    assert "from transformers import" in done.out
    assert "'out/model'" in done.out
    assert all(path.name in done.out for path in Path("out/model").iterdir())
    model, tokenizer = read("out/model")
    loaded = load_gpt(Run(Path("run")))
    assert tokenizer is not None
    ids = torch.tensor([tokenizer.encode("12 mal").tolist()])
    torch.testing.assert_close(model(ids), loaded.model(ids))
    said = exporting("export", "run", "--to", "hugging-face", "other", "--json").json
    assert said["files"] == sorted(path.name for path in Path("other").iterdir())


def test_a_training_starts_from_the_folder(exporting: Any) -> None:
    assert exporting("export", "run", "--to", "hugging-face", "model").status == 0
    done = exporting("train", "gpt", "--data", "text.txt", "--from", "model", "--out", "next", "--steps", "2")
    assert done.status == 0, done.err
    plan = Run(Path("next")).recipe_of(GPTRecipe)
    assert plan.name == "fine-tuning"
    assert plan.training == fine_tuning(plan.model, 2).training
    assert "AdamW, learning rate 0.0001, warm-up over 1 steps, cosine" in " ".join(done.err.split())
    assert Run(Path("next")).best_file.is_file()
    own = exporting("train", "gpt", "--data", "text.txt", "--from", "run", "--out", "own", "--steps", "2")
    assert own.status == 0, own.err
    assert Run(Path("own")).recipe.training.learning_rate == 1e-2, "a run brings its own recipe"
    assert exporting("generate", "next", "--prompt", "1", "--tokens", "3").status == 0
    refused = exporting("train", "gpt", "--data", "text.txt", "--from", "model", "--tokenizer", "bytes")
    assert "leave out tokenizer" in refused.problem


def test_what_cannot_be_is_said_in_one_line(exporting: Any) -> None:
    assert "no format 'tflite'" in exporting("export", "run", "--to", "tflite", "model").problem
    assert "choose one of: hugging-face" in exporting("export", "run", "--to", "", "model").problem
    assert "no run 'gone'" in exporting("export", "gone", "--to", "hugging-face", "model").problem
    assert "run is not empty" in exporting("export", "run", "--to", "hugging-face", "run").problem
    assert "--to" in exporting("export", "run", "model").problem
    refused = exporting("export", "run", "--to", "hugging-face", "model", "--type", "int8").problem
    assert "no types to choose from, but got --type int8" in refused
    refused = exporting("export", "run", "--to", "ctranslate2", "model", "--type", "int4").problem
    assert "no type 'int4'; choose one of: float32, int8" in refused
    refused = exporting("export", "run", "--to", "ctranslate2", "model").problem
    assert "run is a gpt run; this needs one of translate" in refused
    assert (
        "run has no best.safetensors" in exporting("export", "run", "--to", "hugging-face", "model", "--best").problem
    )
    assert not Path("model").exists()


def test_the_best_weights_can_be_exported(exporting: Any) -> None:
    run = Run(Path("run"))
    best = {name: tensor + 1 for name, tensor in weights_of(load_gpt(run).model).items()}
    write_tensors(run.best_file, best, run=run.identity, header={})
    assert exporting("export", "run", "--to", "hugging-face", "last").status == 0
    assert exporting("export", "run", "--to", "hugging-face", "best", "--best").status == 0
    last, other = (weights_of(read(folder)[0]) for folder in ("last", "best"))
    assert all(torch.equal(other[name], tensor + 1) for name, tensor in last.items())
