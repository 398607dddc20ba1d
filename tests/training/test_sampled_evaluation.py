"""Of a long validation text a fixed sample is scored while training, and all of it where that costs little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kqv.data.text.corpora import Corpus, load_text
from kqv.evaluation.text import sampled, score_text
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.gpt import task as gpt_task
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.gpt.start import start
from kqv.training import budget
from kqv.training.distributed import ALONE
from kqv.training.loop import Trainer
from kqv.training.plans import TrainingPlan

CPU = torch.device("cpu")
CONTEXT = 16


@pytest.fixture
def long_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A validation text of more than 200 tokens is a long one."""
    monkeypatch.setattr(gpt_task, "SAMPLE", 200)
    monkeypatch.setattr(gpt_task, "LEAST_SAMPLE", 32)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "numbers.txt"
    path.write_text("".join(f"{number}\n" for number in range(3000)), encoding="utf-8")
    return load_text(path)


@pytest.fixture
def begin(corpus: Corpus, tmp_path: Path) -> Iterator[Callable[..., Trainer]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def begin(steps: int | None = None, minutes: float | None = None, **plan: Any) -> Trainer:
        training = TrainingPlan(learning_rate=1e-2, batch=4, steps=steps, evaluate_every=4, **plan)
        recipe = GPTRecipe(
            name="small",
            model=Architecture(blocks=1, heads=1, width=8, context=CONTEXT),
            data=TextPlan(),
            training=training,
        )
        return start(recipe, corpus, tmp_path / "run", CPU, minutes=minutes)[1]

    yield begin
    torch.set_num_threads(threads)


def test_a_sample_is_whole_windows_evenly_spread_and_always_the_same() -> None:
    torch.manual_seed(0)
    model = GPT(11, Architecture(8, 16, 2, 1)).double()
    ids = np.random.default_rng(0).integers(0, 11, 8 * 50 + 4).astype(np.uint16)
    scores = score_text(model, ids, 8, 2.0, CPU, sample=43)
    firsts = [0, 80, 160, 240, 320]  # five of fifty windows
    alone = [score_text(model, ids[first : first + 9], 8, 2.0, CPU).loss for first in firsts]
    assert scores.tokens == 40 == sampled(len(ids) - 1, 8, 43)
    assert scores.loss == pytest.approx(sum(alone) / 5, rel=1e-12)
    assert score_text(model, ids, 8, 2.0, CPU, sample=43) == scores
    whole = score_text(model, ids, 8, 2.0, CPU)
    assert whole.tokens == len(ids) - 1
    assert score_text(model, ids, 8, 2.0, CPU, sample=len(ids)) == whole != scores


def test_a_large_vocabulary_is_scored_a_few_windows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = GPT(11, Architecture(8, 16, 2, 1)).double()
    ids = np.random.default_rng(0).integers(0, 11, 8 * 50 + 4).astype(np.uint16)
    whole, seen, forward = score_text(model, ids, 8, 2.0, CPU), [], model.forward
    monkeypatch.setattr("kqv.evaluation.text.LOGITS_AT_ONCE", 11 * 24)
    monkeypatch.setattr(model, "forward", lambda ids: seen.append(ids.numel()) or forward(ids))
    assert score_text(model, ids, 8, 2.0, CPU).loss == pytest.approx(whole.loss, rel=1e-12)
    assert max(seen) == 24
    monkeypatch.setattr("kqv.evaluation.text.LOGITS_AT_ONCE", 1)  # one window at least
    assert score_text(model, ids, 8, 2.0, CPU).loss == pytest.approx(whole.loss, rel=1e-12)


def test_the_sample_is_named_in_the_measurements_and_the_run_keeps_its_size(
    begin: Any, long_texts: None, timeless: Any
) -> None:
    trainer = begin(steps=6)
    result = trainer.train()
    scored = [line for line in timeless(trainer.run) if "validation_loss" in line]
    assert [(line["step"], line["validation_tokens"]) for line in scored] == [(4, 192), (6, 192)]
    assert result.scores["tokens"] == 192
    assert result.unscored == trainer.task.held_out - 192 > 1000
    assert trainer.run.recipe.training.evaluation_tokens == 192


def test_after_many_steps_all_is_scored_at_the_end(begin: Any, long_texts: None) -> None:
    trainer = begin(steps=100)
    result = trainer.train()
    task = trainer.task
    last = [line for line in trainer.run.metrics() if line["step"] == 100 and "validation_loss" in line]
    assert [line["validation_tokens"] for line in last] == [192, task.held_out]
    whole = score_text(task.model, task.validation, CONTEXT, task.bytes_per_token, CPU)
    assert result.scores["loss"] == last[1]["validation_loss"] == whole.loss
    assert result.unscored == 0
    assert not task.ends_with_all(10), "where it would take longer than the training"


def test_a_short_text_is_scored_whole_whatever_the_recipe_says(begin: Any) -> None:
    trainer = begin(steps=4, evaluation_tokens=64)
    task = trainer.task
    assert trainer.train().unscored == 0
    whole = score_text(task.model, task.validation, CONTEXT, task.bytes_per_token, CPU)
    assert trainer.scores["loss"] == whole.loss
    assert not task.ends_with_all(10**6), "it is scored anyway"


def test_minutes_count_evaluations_and_make_the_sample_smaller(
    begin: Any, long_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "seconds_per_step", lambda *_: 0.1)
    monkeypatch.setattr(budget, "seconds_of_evaluation", lambda *_: 1.2)
    trainer = begin(minutes=0.1)  # 6 seconds: an evaluation may take 0.6
    assert trainer.run.recipe.training.evaluation_tokens == trainer.task.evaluated == 96
    assert trainer.steps == 6 * 4  # of 0.4 + 0.6 s each
    assert budget._fitting(10.0, 0.1, 1.0, 1000) == 90  # the last step is scored too
    assert budget._fitting(0.1, 1.0, 5.0, 10) == 1


def test_a_long_evaluation_is_measured_by_a_part_of_it(
    begin: Any, long_texts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, parts = begin(steps=4).task, []
    monkeypatch.setattr("kqv.evaluation.text.TOKENS_AT_ONCE", CONTEXT)
    monkeypatch.setattr(budget, "MEASURED_SECONDS", -1.0)
    forward = task.model.forward
    monkeypatch.setattr(task.model, "forward", lambda ids: parts.append(ids) or forward(ids))
    assert budget.seconds_of_evaluation(task, ALONE) > 0
    assert len(parts) == 1
