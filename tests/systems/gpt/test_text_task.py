"""What a text's training has beside the loop: precision, samples, the best weights, and what is said when it fails."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from kqv.errors import Error, RunError
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.task import TextTask
from kqv.tensors import read_tensors
from kqv.training import launch
from kqv.training.checkpoint import Checkpoint
from kqv.training.distributed import ALONE
from kqv.training.flops import flops_per_token, matrix_product_peak
from kqv.training.held import held
from kqv.training.launch import Prepared
from kqv.training.loop import Diverged, Trainer
from kqv.training.loss_scale import FIRST, STEADY_STEPS, LossScale
from kqv.training.plans import Recipe, TrainingPlan
from kqv.training.run import DataFacts, Run

CPU = torch.device("cpu")
VOCAB, CONTEXT = 11, 8


class Letters:
    """A vocabulary of single letters, as much of a tokenizer as writing a sample needs."""

    size = VOCAB
    endings: frozenset[int] = frozenset()

    def encode(self, text: str) -> list[int]:
        return [0 for _ in text]

    def decode_bytes(self, ids: Any) -> bytes:
        return bytes(97 + int(one) for one in ids)


def make_task(device: torch.device = CPU, **changes: Any) -> TextTask:
    settings = {"learning_rate": 1e-2, "batch": 4, "steps": 24, "evaluate_every": 6, "schedule": "cosine"}
    plan = TrainingPlan.model_validate(settings | changes)
    ids = np.random.default_rng(0).integers(0, VOCAB, 1200)
    torch.manual_seed(1)
    model = GPT(VOCAB, Architecture(CONTEXT, 16, 2, 2, bias=False, dropout=0.1))
    return TextTask(model, CONTEXT, ids[:900], ids[900:], 1.0, plan, device)


def make_trainer(folder: Path, **changes: Any) -> Trainer:
    """A trainer of a new run in the folder, or of the run that is there, where its checkpoint left it."""

    def prepare(_: Recipe | None = None) -> Prepared:
        task = make_task(**changes)
        recipe = GPTRecipe(name="small", model=Architecture(), data=TextPlan(), training=task.plan)
        return Prepared(
            recipe, task, DataFacts(name="random", train=900, validation=300, test=0, sha256=""), lambda _: None
        )

    run = Run(folder)
    if run.checkpoint_file.exists():
        return launch.resume(run, prepare, ALONE, checkpoint_seconds=1e9)
    return launch.start(prepare, folder, ALONE, checkpoint_seconds=1e9)[1]


MUON = {"optimizer": "muon", "learning_rate": 0.02, "adamw_learning_rate": 1e-3}
PLANS: dict[str, dict[str, Any]] = {
    "best": {"keep_best": True},
    "bfloat16": {"precision": "bfloat16", "accumulation": 2},
    "muon in a trapezoid": {**MUON, "weight_decay": 0.1, "schedule": "trapezoid", "keep_best": True},
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("stop", [5, 6, 13])
def test_a_run_that_is_stopped_and_goes_on_is_the_same(name: str, stop: int, tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "whole", **PLANS[name])
    whole.train()
    stopped = make_trainer(tmp_path / "stopped", **PLANS[name])
    learn = stopped.task.learn

    def interrupted(batch: Any) -> Any:
        if stopped.step == stop - 1:
            os.kill(os.getpid(), 2)
        return learn(batch)

    stopped.task.learn = interrupted  # type: ignore[method-assign]
    with pytest.raises(Error, match=f"stopped at step {stop}"):
        stopped.train()
    torch.manual_seed(99)
    again = make_trainer(tmp_path / "stopped", **PLANS[name])
    again.train()
    assert again.best == whole.best
    files = ["model.safetensors"] + ["best.safetensors"] * bool(PLANS[name].get("keep_best"))
    for file in files:
        one, other = (read_tensors(tmp_path / folder / file)[0] for folder in ("stopped", "whole"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_best_weights_are_those_of_the_lowest_validation_loss(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, keep_best=True, learning_rate=0.1, schedule="constant")
    trainer.train()
    losses = {line["step"]: line["validation_loss"] for line in trainer.run.metrics() if "validation_loss" in line}
    assert trainer.best == min(losses.values()) < losses[24]
    task = make_task()
    task.model.load_state_dict(read_tensors(trainer.run.weights_file(best=True))[0], strict=False)
    assert task.evaluate()["loss"] == trainer.best


def test_a_run_without_best_weights_says_so(tmp_path: Path) -> None:
    run = make_trainer(tmp_path).run
    assert run.weights_file() == run.model_file
    with pytest.raises(RunError, match=r"has no best\.safetensors"):
        run.weights_file(best=True)


def test_a_failure_names_the_first_tensor_and_step(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, steps=12)
    learn = trainer.task.learn

    def spoiled(batch: Any) -> Any:
        if trainer.step == 4:
            with torch.no_grad():
                trainer.task.model.blocks[1].feed_forward.widen.weight[0, 0] = torch.inf  # type: ignore[union-attr]
        return learn(batch)

    trainer.task.learn = spoiled  # type: ignore[method-assign]
    expected = r"blocks\.1\.feed_forward\.hidden, in the forward pass of step 5.*good state, of step 0"
    with pytest.raises(Diverged, match=expected):
        trainer.train()
    assert Checkpoint.read(trainer.run.checkpoint_file).counters.step == 0


def test_a_learning_rate_that_is_too_high_is_found_after_its_update(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, optimizer="gradient-descent", learning_rate=1e20, steps=6)
    with pytest.raises(Diverged, match=r"first value that is not finite is in .* of step \d+, at step \d+"):
        trainer.train()


def test_bfloat16_is_near_float32_and_float16_needs_a_gpu() -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        task = make_task(precision=precision)
        task.model.eval()
        losses[precision] = float(task.learn(task.batch(0)))
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    with pytest.raises(Error, match="float16 needs a GPU"):
        make_task(precision="float16")


def test_the_loss_scale_halves_at_overflow_and_doubles_after_a_while() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    scale = LossScale()
    weight.grad = torch.tensor([FIRST, 0.0])
    assert scale.undo([weight])
    assert weight.grad.tolist() == [1.0, 0.0]
    weight.grad = torch.tensor([torch.inf, 0.0])
    assert not scale.undo([weight])
    assert weight.grad is None
    assert scale.factor == FIRST / 2
    scale.steady = STEADY_STEPS - 1
    weight.grad = torch.ones(2)
    scale.undo([weight])
    again = LossScale()
    again.restore(scale.state(), "a file")
    assert (again.factor, again.steady) == (scale.factor, scale.steady) == (FIRST, 0)


def test_operations_are_those_of_every_product() -> None:
    blocks, width, vocab, context = 2, 16, VOCAB, CONTEXT
    weights = blocks * 12 * width * width + vocab * width
    expected = 6 * weights + 12 * blocks * width * context
    assert flops_per_token(GPT(vocab, Architecture(context, width, 2, blocks)), context) == expected
    assert flops_per_token(GPT(vocab, Architecture(context, width, 2, blocks, tied=False)), context) == expected
    assert matrix_product_peak(CPU) > 0


def test_a_sample_is_the_same_each_time_and_touches_no_chance(tmp_path: Path) -> None:
    task = make_task()
    assert task.sample(5) == ""
    task.tokenizer = Letters()  # type: ignore[assignment]
    before = torch.get_rng_state()
    assert task.sample(12) == task.sample(12)
    assert len(task.sample(12)) == 12
    assert torch.equal(torch.get_rng_state(), before)
    assert task.model.training


def test_an_empty_sample_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path / "run", sample_tokens=3)
    with held(trainer.run) as files, trainer.storage.writing_to(files):
        trainer._sample()  # without a tokenizer nothing is written
        assert trainer.run.samples() == []
        monkeypatch.setattr(trainer.task, "sample", lambda tokens: "a" * tokens)
        trainer._sample()
    assert trainer.run.samples() == [{"step": 0, "text": "aaa"}]


def test_the_time_that_a_sample_takes_does_not_count_as_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watcher: Any
) -> None:
    """An hour goes by while the model writes, and the speed that is shown stays that of the steps."""
    trainer = make_trainer(tmp_path / "run", sample_tokens=3)
    hours, rates = [], []

    def sample(tokens: int) -> str:
        hours.append(3600.0)
        return "a" * tokens

    monkeypatch.setattr("kqv.training.audience.time", SimpleNamespace(monotonic=lambda: time.monotonic() + sum(hours)))
    monkeypatch.setattr(trainer.task, "sample", sample)
    monkeypatch.setattr(watcher, "stepped", lambda step, loss, rate: rates.append(rate))
    trainer.audience.listener = watcher
    trainer.train()
    assert len(hours) > 1
    assert min(rates) > trainer.task.size(0) * trainer.steps / 3600
