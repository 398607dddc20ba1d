"""The best by a chosen score: which weights are kept, when a training stops early, and what cannot be chosen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kqv.errors import Error
from kqv.evaluation.pictures import score_pictures
from kqv.systems.digits.recipes import DigitsRecipe
from kqv.systems.digits.task import DigitsTask
from kqv.systems.digits.trained import load_network
from kqv.training.best import goodness
from kqv.training.patience import Patience, PatienceState
from kqv.training.plans import TrainingPlan

# an evaluation comes every five steps; the loss is best at the second, the accuracy at the fourth, bleu at the third
SCORES = [
    {"loss": 1.0, "accuracy": 0.5, "bleu": 10.0},
    {"loss": 0.8, "accuracy": 0.6, "bleu": 11.0},
    {"loss": 0.9, "accuracy": 0.6, "bleu": 12.0},
    {"loss": 0.9, "accuracy": 0.7, "bleu": 11.5},
    {"loss": 0.95, "accuracy": 0.7, "bleu": 12.0},
]
BEST_STEPS = {None: 10, "loss": 10, "accuracy": 20, "bleu": 15}


def with_plan(recipe: DigitsRecipe, **changes: Any) -> DigitsRecipe:
    plan = TrainingPlan.model_validate(recipe.training.model_dump() | changes)
    return recipe.model_copy(update={"training": plan})


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations that give those scores, whatever the weights are."""
    monkeypatch.setattr(DigitsTask, "scores", ("loss", "accuracy", "bleu"))
    monkeypatch.setattr(DigitsTask, "evaluate", lambda self, _=None: dict(SCORES[self.given - 1]))
    batch = DigitsTask.batch

    def count(self: DigitsTask, step: int) -> Any:
        self.given = -(-(step + 1) // 5)  # type: ignore[attr-defined]
        return batch(self, step)

    monkeypatch.setattr(DigitsTask, "batch", count)


def test_less_is_better_of_losses_and_more_of_all_else() -> None:
    for name in ("loss", "perplexity", "bits_per_byte"):
        assert goodness(1.0, name) > goodness(2.0, name)
    for name in ("accuracy", "bleu", "chrf", "exact_match", "something new"):
        assert goodness(2.0, name) > goodness(1.0, name)


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize(("chosen", "step"), BEST_STEPS.items())
def test_the_weights_of_the_best_score_are_kept(chosen: str | None, step: int, workshop: Any) -> None:
    recipe = with_plan(workshop.recipe, schedule="constant")  # the first steps are then those of a shorter training
    run, trainer = workshop.begin("run", with_plan(recipe, keep_best=True, best_by=chosen))
    trainer.train()
    short = workshop.finished("short", with_plan(recipe, steps=step))
    mine, theirs = load_network(run, best=True), load_network(short)
    assert trainer.best == SCORES[step // 5 - 1][chosen or "loss"]
    for one, two in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert one.equal(two)


@pytest.mark.usefixtures("scored")
@pytest.mark.parametrize("chosen", ["accuracy", "bleu"])
@pytest.mark.parametrize("stop", [12, 17])
def test_a_run_that_is_stopped_and_goes_on_keeps_the_same(
    chosen: str, stop: int, workshop: Any, watcher: Any, timeless: Any
) -> None:
    recipe = with_plan(workshop.recipe, keep_best=True, best_by=chosen, early_stopping=4)
    whole = workshop.finished("whole", recipe)
    watcher.at_step[stop] = lambda: os.kill(os.getpid(), 2)
    run, trainer = workshop.begin("stopped", recipe, listener=watcher)
    with pytest.raises(Error, match=f"stopped at step {stop}"):
        trainer.train()
    trainer = workshop.resume(run)
    assert trainer.best == max(scores[chosen] for scores in SCORES[: stop // 5])
    trainer.train()
    assert run.best_file.read_bytes() == whole.best_file.read_bytes()
    assert timeless(run) == timeless(whole)


def test_the_best_accuracy_of_a_real_training(workshop: Any) -> None:
    run, trainer = workshop.begin("run", with_plan(workshop.recipe, keep_best=True, best_by="accuracy"))
    trainer.train()
    found = [line["validation_accuracy"] for line in run.metrics() if "validation_accuracy" in line]
    assert score_pictures(load_network(run, best=True), *trainer.task.validation).accuracy == max(found)


@pytest.mark.parametrize(("chosen", "best"), [("loss", -0.8), ("accuracy", 0.7), ("bleu", 12.0), (None, 0.7)])
def test_early_stopping_looks_at_the_chosen_score(chosen: str | None, best: float) -> None:
    patience, waited = Patience(99, best_by=chosen), [0]
    for scores in SCORES:
        patience.see(scores)
        waited.append(patience.state.waited)
    assert patience.state == PatienceState(best=best, waited=waited[-1])
    assert waited[1:] == {"loss": [0, 0, 1, 2, 3], "bleu": [0, 0, 0, 1, 2]}.get(str(chosen), [0, 0, 1, 0, 1])


@pytest.mark.usefixtures("scored")
def test_a_run_stops_by_the_chosen_score(workshop: Any) -> None:
    changes = {"early_stopping": 2, "steps": 25}
    _, trainer = workshop.begin("loss", with_plan(workshop.recipe, best_by="loss", **changes))
    assert trainer.train().step == 20
    _, trainer = workshop.begin("usual", with_plan(workshop.recipe, **changes))
    assert trainer.train().step == 25


def test_a_score_that_the_task_does_not_give_is_refused_before_training(workshop: Any, tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"best_by is 'bleu', but an evaluation of this model gives loss, accuracy; choose"):
        workshop.begin("run", with_plan(workshop.recipe, best_by="bleu"))
    assert not (tmp_path / "run").exists()


def test_tasks_name_the_scores_that_they_give(workshop: Any) -> None:
    _, trainer = workshop.begin("run")
    assert set(trainer.task.scores) <= trainer.task.evaluate().keys()


def test_a_recipe_from_before_there_was_a_choice_is_read(workshop: Any) -> None:
    content = workshop.recipe.training.model_dump(exclude={"best_by"})
    assert TrainingPlan.model_validate(content) == workshop.recipe.training
