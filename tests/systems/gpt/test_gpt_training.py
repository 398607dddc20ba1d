"""Training a GPT: batches, scores, going on bit-identically, other vocabularies and short texts refused."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kqv.data.text.characters import Characters
from kqv.data.text.corpora import Corpus, load_text
from kqv.errors import Error, RunError
from kqv.evaluation.text import score_text
from kqv.generation.sampling import Sampling
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.systems.changes import Changes
from kqv.systems.gpt.recipes import GPT_RECIPES, GPTRecipe, TextPlan, gpt_recipe
from kqv.systems.gpt.start import resume, start, with_changes
from kqv.systems.gpt.task import TextTask
from kqv.systems.gpt.trained import LoadedGPT, gpt_recipe_of, load_gpt
from kqv.systems.loading import load
from kqv.tensors import read_tensors
from kqv.training.loop import Interrupted, Trainer
from kqv.training.plans import TrainingPlan
from kqv.training.run import Run

CPU = torch.device("cpu")
TEXT = "".join(f"{number} times {number} is {number * number}.\n" for number in range(400))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "squares.txt"
    path.write_text(TEXT, encoding="utf-8")
    return load_text(path)


@pytest.fixture
def recipe(corpus: Corpus, tmp_path: Path) -> GPTRecipe:
    """A small one, of a few steps."""
    return GPTRecipe(
        name="small",
        model=Architecture(blocks=1, heads=2, width=16, context=24, dropout=0.1),
        data=TextPlan(name=str(tmp_path / "squares.txt")),
        training=TrainingPlan(
            learning_rate=1e-2, schedule="cosine", warm_up=5, clip=1.0, batch=8, steps=40, evaluate_every=15
        ),
    )


@pytest.fixture
def begin(corpus: Corpus, recipe: GPTRecipe, tmp_path: Path) -> Callable[..., tuple[Run, Trainer]]:
    def begin(name: str, recipe: GPTRecipe = recipe, **options: Any) -> tuple[Run, Trainer]:
        return start(recipe, corpus, tmp_path / name, CPU, **options)

    return begin


def test_it_learns_and_says_so(begin: Any) -> None:
    run, trainer = begin("one")
    first = trainer.task.evaluate()
    result = trainer.train()
    assert result.scores["loss"] < 0.75 * first["loss"]
    assert result.scores["perplexity"] == pytest.approx(math.exp(result.scores["loss"]))
    measured = [line["step"] for line in run.metrics() if "validation_loss" in line]
    assert measured == [15, 30, 40]
    loaded = load(run.path)
    assert isinstance(loaded, LoadedGPT)
    assert not loaded.model.training
    written = loaded.generate("7 times", 20, sampling=Sampling(temperature=0.0))
    assert len(written) == 20  # characters are tokens here
    assert (
        loaded.generate("7 times", 20, sampling=Sampling(temperature=0.0), stop=[written[5:8]])
        == written[: written.index(written[5:8])]
    )
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("7 times 7")) == "7 times 7"


@pytest.mark.parametrize("stop", [1, 15, 22])
def test_a_run_that_is_stopped_and_goes_on_is_the_same(begin: Any, corpus: Corpus, watcher: Any, stop: int) -> None:
    whole, trainer = begin("whole")
    trainer.train()
    run, trainer = begin("parted", listener=watcher, checkpoint_seconds=0.0)
    watcher.at_step[stop] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        trainer.train()
    resume(run, lambda name: corpus, CPU).train()
    assert run.model_file.read_bytes() == whole.model_file.read_bytes()
    one, other = (read_tensors(each.checkpoint_file)[0] for each in (run, whole))
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_every_token_of_the_validation_text_is_predicted_once() -> None:
    torch.manual_seed(0)
    model = GPT(11, Architecture(8, 16, 2, 1)).double()
    ids = np.random.default_rng(0).integers(0, 11, 8 * 5 + 4).astype(np.uint16)
    scores = score_text(model, ids, 8, 2.0, CPU)
    total = 0.0
    for first in range(0, len(ids) - 1, 8):  # each window alone, each position by hand
        window = torch.from_numpy(ids[first : first + 9].astype(np.int64))
        logits = model(window[None, :-1])[0]
        for position, target in enumerate(window[1:].tolist()):
            total -= float(torch.log_softmax(logits[position], 0)[target].detach())
    assert scores.tokens == len(ids) - 1
    assert scores.loss == pytest.approx(total / scores.tokens, rel=1e-12)
    assert scores.bits_per_byte == pytest.approx(scores.loss / math.log(2) / 2.0)


def task_of(accumulation: int = 1, **plan: Any) -> TextTask:
    torch.manual_seed(0)
    ids = np.random.default_rng(0).integers(0, 11, 200).astype(np.uint16)
    training = TrainingPlan(learning_rate=1e-3, batch=7, accumulation=accumulation, steps=5, seed=3, **plan)
    return TextTask(GPT(11, Architecture(8, 16, 2, 1)).double(), 8, ids, ids, 1.0, training, CPU)


def test_targets_are_the_tokens_one_position_later_and_windows_follow_from_the_step() -> None:
    task = task_of()
    batch = task.batch(4)
    assert batch.ids.shape == batch.targets.shape == (7, 8)
    assert torch.equal(batch.ids[:, 1:], batch.targets[:, :-1])
    text = task.train.tolist()
    for window in torch.cat((batch.ids, batch.targets[:, -1:]), 1).tolist():
        assert any(text[position : position + 9] == window for position in range(len(text) - 8))
    assert torch.equal(batch.ids, task.batch(4).ids)
    assert not torch.equal(batch.ids, task.batch(5).ids)


@pytest.mark.parametrize("parts", [2, 3, 7, 20])
def test_a_batch_in_parts_gives_the_same_gradients(parts: int) -> None:
    whole, parted = task_of(), task_of(accumulation=parts)
    losses = [task.learn(task.batch(0)) for task in (whole, parted)]
    torch.testing.assert_close(*losses, rtol=0, atol=1e-12)
    for one, other in zip(whole.model.parameters(), parted.model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-12)


def test_a_text_shorter_than_the_context_is_refused(tmp_path: Path, recipe: GPTRecipe) -> None:
    path = tmp_path / "short.txt"
    path.write_text("too short to learn from", encoding="utf-8")
    with pytest.raises(Error, match="tokens, and the context of 24 needs 25"):
        start(recipe, load_text(path), tmp_path / "run", CPU)
    assert not (tmp_path / "run").exists()


def test_another_text_or_vocabulary_is_not_gone_on_with(begin: Any, tmp_path: Path) -> None:
    run, trainer = begin("one")
    trainer.train()
    changed_text = tmp_path / "changed.txt"
    changed_text.write_text(TEXT.replace("is", "si"), encoding="utf-8")
    with pytest.raises(RunError, match=r"is not what .* was trained on"):
        resume(run, lambda name: load_text(changed_text), CPU)
    Characters(sorted(set(TEXT), reverse=True)).save(run.tokenizer_file)  # as many tokens, in another order
    with pytest.raises(RunError, match="is not the vocabulary"):
        load_gpt(run)
    run.tokenizer_file.unlink()
    with pytest.raises(Error, match=r"tokenizer\.json"):
        load_gpt(run)


def test_weights_and_vocabulary_of_another_run(begin: Any) -> None:
    run, trainer = begin("one")
    trainer.train()
    second, _ = begin("two", weights_from=run)
    given, taken = (read_tensors(one.model_file)[0] for one in (run, second))
    assert given.keys() == taken.keys()
    assert all(torch.equal(given[name], taken[name]) for name in given)
    assert second.tokenizer_file.read_bytes() == run.tokenizer_file.read_bytes()


def test_recipes_are_valid_and_found_by_name() -> None:
    for name in GPT_RECIPES:
        assert gpt_recipe(name).name == name
    with pytest.raises(Error, match="choose one of: gpt"):
        gpt_recipe("gtp")
    with pytest.raises(Error, match="tokenizer"):
        with_changes(gpt_recipe(None), Changes(tokenizer="words"))


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_a_context_is_cut_for_a_text_that_is_shorter(
    positions: str, begin: Any, recipe: GPTRecipe, tmp_path: Path
) -> None:
    """What the model makes of a text that fits stays the same, and the run goes on from where it stopped."""
    first = recipe.model_copy(update={"model": replace(recipe.model, positions=positions, context=64)})
    run, trainer = begin("long", first)
    trainer.train()
    short = tmp_path / "short.txt"
    short.write_text(TEXT[:480], encoding="utf-8")  # of which the last 48 characters are to validate
    text = TextPlan(name=str(short))
    next_one, trainer = start(
        first.model_copy(update={"data": text}), load_text(short), tmp_path / "next", CPU, weights_from=run
    )
    plan = gpt_recipe_of(next_one)
    assert (plan.model.context, plan.training.batch) == (47, 8 * 64 // 47)
    before = load_gpt(run)
    ids = torch.from_numpy(before.tokenizer.encode(TEXT[:47]).astype("int64")).unsqueeze(0)
    trainer.task.model.eval()
    assert torch.equal(trainer.task.model(ids), before.model(ids))
    trainer.train()
    assert load_gpt(next_one).model.context == 47
    assert resume(next_one, load_text, CPU, steps=50).train().step == 50


def test_a_text_that_is_too_short_for_any_context_is_refused(begin: Any, recipe: GPTRecipe, tmp_path: Path) -> None:
    run, _ = begin("one")
    short = tmp_path / "short.txt"
    short.write_text(TEXT[:100], encoding="utf-8")
    with pytest.raises(Error, match="the validation text has 10 tokens, and the context of 24 needs 25; give at least"):
        start(
            recipe.model_copy(update={"data": TextPlan(name=str(short))}), load_text(short), tmp_path / "next", CPU,
            weights_from=run,
        )  # fmt: skip
    assert not (tmp_path / "next").exists()
