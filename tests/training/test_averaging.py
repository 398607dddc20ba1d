"""Averaged weights: the mean that their formula says, scored and kept for use, beside a training that is as without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kqv.errors import Error, RunError
from kqv.evaluation.pictures import score_pictures
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.systems.digits.traced import load_for_tracing
from kqv.systems.digits.trained import load_network
from kqv.tensors import put_weights, read_tensors, write_tensors
from kqv.training.averaging import Average, ExponentialAverage, LastAverage, NoAverage
from kqv.training.checkpoint import Checkpoint
from kqv.training.loop import Trainer
from kqv.training.plans import TrainingPlan
from kqv.training.randomness import seed_all
from kqv.training.run import Run

PLANS: dict[str, dict[str, Any]] = {
    "ema": {"average": "ema", "average_decay": 0.8},
    "last": {"average": "last", "average_last": 2},
    "all": {"average": "last", "average_last": 100, "keep_best": True},
}


def averaged(recipe: DigitsRecipe, **changes: Any) -> DigitsRecipe:
    plan = TrainingPlan.model_validate(recipe.training.model_dump() | changes)
    return recipe.model_copy(update={"training": plan})


def weights_by_step(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[str, Tensor]]:
    """The weights of each step of a training that is to come, the first ones too."""
    seen, advance = {}, trainer._advance

    def remember() -> None:
        seen[trainer.step] = {name: p.detach().clone() for name, p in trainer.task.model.named_parameters()}

    def advance_and_remember() -> None:
        advance()
        remember()

    remember()
    monkeypatch.setattr(trainer, "_advance", advance_and_remember)
    return seen


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name].double(), tensor, rtol=1e-5, atol=1e-7, msg=name)


def test_the_exponential_average_is_its_formula(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, trainer = workshop.begin("one", averaged(workshop.recipe, **PLANS["ema"]))
    seen = weights_by_step(trainer, monkeypatch)
    trainer.train()
    mean = {name: tensor.double() for name, tensor in seen[0].items()}
    for step in range(1, 24):
        decay = min(0.8, (1 + step) / (10 + step))
        mean = {name: decay * mean[name] + (1 - decay) * seen[step][name].double() for name in mean}
    assert (1 + 23) / (10 + 23) < 0.8, "the ramp alone"
    assert_close(read_tensors(run.model_file)[0], mean)
    quick = ExponentialAverage(trainer.task.model, 0.1)
    quick.after_step(9)
    for name, parameter in trainer.task.model.named_parameters():
        assert torch.equal(quick.current[name], parameter), "the mean of equal numbers"


def test_the_decay_ends_the_ramp() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    average = ExponentialAverage(model, 0.5)
    with torch.no_grad():
        before = model.weight.clone()
        model.weight.add_(1)
    average.after_step(1_000)
    torch.testing.assert_close(average.current["weight"], before + 0.5)


@pytest.mark.parametrize(("plan", "steps"), [("last", (20, 23)), ("all", (5, 10, 15, 20, 23))])
def test_the_last_ones_are_those_of_the_last_evaluations(
    plan: str, steps: tuple[int, ...], workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, trainer = workshop.begin("one", averaged(workshop.recipe, **PLANS[plan]))
    seen = weights_by_step(trainer, monkeypatch)
    trainer.train()
    mean = {name: sum(seen[step][name].double() for step in steps) / len(steps) for name in seen[0]}
    assert_close(read_tensors(run.model_file)[0], mean)  # type: ignore[arg-type]


@pytest.mark.parametrize("plan", PLANS)
def test_training_itself_is_as_without_an_average(plan: str, workshop: Any) -> None:
    plain, run = (
        workshop.finished(name, averaged(workshop.recipe, **changes))
        for name, changes in (("plain", {}), ("run", PLANS[plan]))
    )
    mine, theirs = (Checkpoint.read(each.checkpoint_file) for each in (run, plain))
    for name, tensor in theirs.model.items():
        assert torch.equal(mine.model[name], tensor), name
        assert not torch.equal(read_tensors(run.model_file)[0][name], tensor), name
    assert [line["loss"] for line in run.metrics() if "loss" in line] == [
        line["loss"] for line in plain.metrics() if "loss" in line
    ]


@pytest.mark.parametrize("plan", PLANS)
def test_what_is_scored_is_what_is_kept_for_use(plan: str, workshop: Any) -> None:
    recipe = averaged(workshop.recipe, **PLANS[plan] | {"keep_best": True, "monitor": ("training",)})
    run, trainer = workshop.begin("one", recipe)
    result = trainer.train()
    scores = score_pictures(load_network(run), *trainer.task.validation)
    assert (scores.loss, scores.accuracy) == (result.scores["loss"], result.scores["accuracy"])
    assert run.metrics()[-1]["training_loss"] == score_pictures(load_network(run), *trainer.task.train).loss
    assert score_pictures(load_network(run, best=True), *trainer.task.validation).loss == trainer.best
    losses = [line["validation_loss"] for line in run.metrics() if "validation_loss" in line]
    assert trainer.best == min(losses)


def assert_same(one: Run, other: Run) -> None:
    for file in ("model.safetensors", "best.safetensors"):
        assert (one.path / file).is_file() == (other.path / file).is_file()
        if (one.path / file).is_file():
            assert (one.path / file).read_bytes() == (other.path / file).read_bytes()
    mine, theirs = (read_tensors(run.checkpoint_file)[0] for run in (one, other))
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("stop", [1, 5, 12, 22])  # an epoch has five steps
def test_a_run_that_is_stopped_and_goes_on_is_the_same(
    plan: str, stop: int, workshop: Any, watcher: Any, timeless: Any
) -> None:
    recipe = averaged(workshop.recipe, **PLANS[plan])
    workshop.finished("before", recipe)  # the first use of a type check draws from Python's chance more than later ones
    whole = workshop.finished("whole", recipe)
    watcher.at_step[stop] = lambda: os.kill(os.getpid(), 2)
    run, trainer = workshop.begin("stopped", recipe, listener=watcher)
    with pytest.raises(Error, match=f"stopped at step {stop} of 23"):
        trainer.train()
    seed_all(99)  # another process stands elsewhere
    trainer = workshop.resume(run)
    assert trainer.step == stop
    trainer.train()
    assert_same(run, whole)
    assert timeless(run) == timeless(whole)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("evaluation", [1, 3])
def test_a_run_that_is_stopped_in_the_midst_of_an_evaluation_is_the_same(
    plan: str, evaluation: int, workshop: Any, timeless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the model has the averaged weights, and the checkpoint has to hold training's own."""
    recipe = averaged(workshop.recipe, **PLANS[plan])
    whole = workshop.finished("whole", recipe)
    run, trainer = workshop.begin("stopped", recipe)
    evaluate, calls = trainer.task.evaluate, []

    def stopped(advance: Any) -> dict[str, float]:
        calls.append(trainer.step)
        if len(calls) == evaluation:
            os.kill(os.getpid(), 2)
            advance(0, 1)
        return dict(evaluate(advance))

    monkeypatch.setattr(trainer.task, "evaluate", stopped)
    with pytest.raises(Error, match=f"stopped at step {5 * evaluation} of 23"):
        trainer.train()
    assert Checkpoint.read_counters(run.checkpoint_file).due
    seed_all(99)
    workshop.resume(run).train()
    assert_same(run, whole)
    assert timeless(run) == timeless(whole)


@pytest.mark.parametrize("plan", ["ema", "last"])
def test_a_run_that_forgot_its_average_would_be_another(plan: str, workshop: Any, watcher: Any) -> None:
    """So the comparisons above can tell."""
    recipe = averaged(workshop.recipe, **PLANS[plan] | {"average_last": 9})
    whole = workshop.finished("whole", recipe)
    watcher.at_step[12] = lambda: os.kill(os.getpid(), 2)
    run, trainer = workshop.begin("stopped", recipe, listener=watcher)
    with pytest.raises(Error, match="stopped at step 12"):
        trainer.train()
    trainer = workshop.resume(run)
    fresh = trainer.average
    if isinstance(fresh, LastAverage):
        fresh.restore({}, "nothing")
    else:
        fresh.restore({name: tensor.clone() for name, tensor in fresh.named.items()}, "nothing")
    trainer.train()
    assert run.model_file.read_bytes() != whole.model_file.read_bytes()


@pytest.mark.parametrize(
    ("average", "damage", "message"),
    [
        (lambda model: ExponentialAverage(model, 0.9), {}, "lacks the averaged weight bias"),
        (lambda model: ExponentialAverage(model, 0.9), {"bias": torch.zeros(3), "weight": torch.zeros(1, 2)}, "shape"),
        (lambda model: LastAverage(model, 3), {"5/bias": torch.zeros(1)}, "average of step 5, lacks .* weight"),
        (lambda model: LastAverage(model, 3), {"x/bias": torch.zeros(1)}, "has x/bias among its averaged"),
        (NoAverage, {"bias": torch.zeros(1)}, "the run's recipe has none"),
    ],
)
def test_a_damaged_average_is_refused(average: Any, damage: dict[str, Tensor], message: str) -> None:
    with pytest.raises(RunError, match=message):
        average(torch.nn.Linear(2, 1)).restore(damage, "here")


def test_a_checkpoint_from_before_there_were_averages_is_read(workshop: Any, tmp_path: Path) -> None:
    """It has no such tensors, and its run's recipe no such fields."""
    run = workshop.finished("old")
    tensors, header = read_tensors(run.checkpoint_file)
    assert not [name for name in tensors if name.startswith("average/")]
    content = run.recipe.training.model_dump(exclude={"average", "average_decay", "average_last"})
    assert TrainingPlan.model_validate(content) == run.recipe.training
    write_tensors(tmp_path / "copy", tensors, header)
    assert Checkpoint.read(tmp_path / "copy").average == {}


def test_the_weights_come_back_when_an_evaluation_fails() -> None:
    model = torch.nn.Linear(2, 1)
    average: Average = ExponentialAverage(model, 0.5)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    put_weights(model, {name: tensor + 1 for name, tensor in before.items()}, "test")
    with pytest.raises(ZeroDivisionError), average.in_use():  # noqa: PT012 - both belong to what is tested
        assert torch.equal(model.bias, before["bias"])
        assert torch.equal(average.own["bias"], before["bias"] + 1)
        raise ZeroDivisionError
    assert torch.equal(model.bias, before["bias"] + 1)


def test_a_traced_update_says_that_it_starts_from_the_average(workshop: Any) -> None:
    run = workshop.finished("one", averaged(workshop.recipe, **PLANS["ema"]))
    model, optimizer = load_for_tracing(run)
    assert torch.equal(model.state_dict()["layers.0.weight"], read_tensors(run.model_file)[0]["layers.0.weight"])
    assert "from the run's averaged weights" in optimizer.occasion
