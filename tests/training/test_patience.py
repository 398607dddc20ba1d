"""Early stopping: when training is over, when the learning rate is halved, and that a run remembers it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kqv.systems.digits.recipes import DigitsRecipe, TrainingPlan
from kqv.systems.digits.task import DigitsTask
from kqv.tensors import read_tensors
from kqv.training.checkpoint import Checkpoint
from kqv.training.loop import Interrupted
from kqv.training.patience import Patience, PatienceState
from kqv.training.randomness import seed_all


def seen(patience: Patience, accuracies: list[float]) -> int:
    """How many evaluations it sees before it is over."""
    for count, accuracy in enumerate(accuracies):
        if patience.is_over:
            return count
        patience.see({"accuracy": accuracy, "loss": 0.0})
    return len(accuracies)


def test_it_is_over_after_so_many_evaluations_without_a_better_one() -> None:
    scores = [0.5, 0.6, 0.6, 0.59, 0.61, 0.61, 0.2, 0.61, 0.9]
    assert seen(Patience(3), scores) == 8  # the best is the fifth; an equal one is no better
    assert seen(Patience(2), scores) == 4
    assert seen(Patience(1), scores) == 3
    assert seen(Patience(5), scores) == 9


def test_without_a_number_it_is_never_over() -> None:
    patience = Patience(None, halvings=3)
    assert seen(patience, [0.5] * 100) == 100
    assert (patience.is_over, patience.share) == (False, 1.0)


def test_halvings_come_first_and_then_it_is_over() -> None:
    patience, shares = Patience(2, halvings=2), []
    while not patience.is_over:
        patience.see({"accuracy": 0.5})
        shares.append(patience.share)
    assert shares == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_a_better_score_starts_the_waiting_anew_and_keeps_the_halvings() -> None:
    patience = Patience(2, halvings=1)
    for accuracy in (0.5, 0.5, 0.5, 0.4, 0.6):
        patience.see({"accuracy": accuracy})
    assert patience.state == PatienceState(best=0.6, waited=0, halved=1)
    assert seen(patience, [0.6, 0.6, 0.6]) == 2


def test_the_loss_counts_where_there_is_no_accuracy_and_less_is_better() -> None:
    patience = Patience(2)
    for loss in (3.0, 2.0, 2.5):
        patience.see({"loss": loss})
    assert patience.state == PatienceState(best=-2.0, waited=1)
    patience.see({"loss": 1.0, "accuracy": -1.5})  # an accuracy goes first, however small the loss
    assert patience.state.best == -1.5
    patience.see({"loss": 9.0, "accuracy": -1.6})
    assert patience.state.waited == 1


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 4), st.integers(0, 3), st.integers(0, 40)
)  # fmt: skip
def test_it_agrees_with_a_look_at_the_whole_history_and_a_state_goes_on(
    scores: list[int], evaluations: int, halvings: int, handed_over: int
) -> None:
    patience = Patience(evaluations, halvings)
    since, halved = 0, 0  # where the best, or the last halving, stands
    for position, score in enumerate(scores):
        if position == handed_over:
            state = PatienceState.model_validate_json(patience.state.model_dump_json())
            patience = Patience(evaluations, halvings)
            patience.state = state
        patience.see({"accuracy": score / 5})
        if position == 0 or score > max(scores[:position]):
            since = position
        elif position - since == evaluations and halved < halvings:
            since, halved = position, halved + 1
        assert patience.share == 0.5**halved
        assert patience.is_over == (position - since >= evaluations)
        if patience.is_over:
            return


# In a run. An epoch of the small data has five steps, and is scored at its end.


def with_plan(recipe: DigitsRecipe, **changes: Any) -> DigitsRecipe:
    plan = TrainingPlan.model_validate(recipe.training.model_dump() | changes)
    return recipe.model_copy(update={"training": plan})


@pytest.fixture
def never_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every evaluation finds the same accuracy; the weights learn all the same."""
    monkeypatch.setattr(DigitsTask, "evaluate", lambda self, _=None: {"loss": 1.0, "accuracy": 0.5})


def test_a_run_stops_early_and_is_saved(workshop: Any, watcher: Any) -> None:
    run, trainer = workshop.begin("one", with_plan(workshop.recipe, steps=600, early_stopping=2), listener=watcher)
    result = trainer.train()
    accuracies = [scores["accuracy"] for _, scores in watcher.scores]
    assert result.step == trainer.step == watcher.scores[-1][0] < 600
    assert Checkpoint.read(run.checkpoint_file).counters.step == run.metrics()[-1]["step"] == result.step
    assert max(accuracies[-2:]) <= max(accuracies[:-2]), "the last two are no better"
    for end in range(3, len(accuracies)):
        assert max(accuracies[end - 2 : end]) > max(accuracies[: end - 2]), "and no two before were so"


def test_a_run_that_gets_better_is_made_to_its_end(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter(range(1, 100))
    monkeypatch.setattr(DigitsTask, "evaluate", lambda self, _=None: {"loss": 1.0, "accuracy": next(scores) / 100})
    _, trainer = workshop.begin("one", with_plan(workshop.recipe, steps=40, early_stopping=1))
    assert trainer.train().step == 40


@pytest.mark.usefixtures("never_better")
def test_the_learning_rate_is_halved_and_then_it_stops(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"steps": 100, "schedule": "constant", "warm_up": 0, "early_stopping": 2, "halvings": 2}
    _, trainer = workshop.begin("one", with_plan(workshop.recipe, **changes))
    used, set_share = [], trainer.optimizer.set_share

    def remember(share: float) -> None:
        set_share(share)
        used.append(trainer.optimizer.settings_of(trainer.task.model.layers[0].weight)["learning_rate"])

    monkeypatch.setattr(trainer.optimizer, "set_share", remember)
    assert trainer.train().step == 35  # the first epoch is the best; then three times two without a better
    rate = workshop.recipe.training.learning_rate
    assert used == [rate] * 15 + [rate / 2] * 10 + [rate / 4] * 10


@pytest.mark.usefixtures("never_better")
def test_halvings_go_with_a_schedule(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: dict[int, list[float]] = {}
    for halvings in (0, 1):
        plan = with_plan(workshop.recipe, steps=40, early_stopping=1 if halvings else None, halvings=halvings)
        _, trainer = workshop.begin(f"halvings {halvings}", plan)
        shares[halvings] = []
        monkeypatch.setattr(trainer.optimizer, "set_share", shares[halvings].append)
        trainer.train()
    assert len(shares[1]) == 15
    assert shares[1] == shares[0][:10] + [share / 2 for share in shares[0][10:15]]


HALVED = {"steps": 100, "early_stopping": 2, "halvings": 1}  # halved at step 15, over at 25


@pytest.mark.usefixtures("never_better")
@pytest.mark.parametrize("stop", [5, 12, 15, 17, 24])
def test_a_run_that_is_stopped_and_goes_on_is_the_same(stop: int, workshop: Any, watcher: Any, timeless: Any) -> None:
    recipe = with_plan(workshop.recipe, **HALVED)
    whole = workshop.finished("whole", recipe)
    run, trainer = workshop.begin("stopped", recipe, listener=watcher)
    watcher.at_step[stop] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        trainer.train()
    state = Checkpoint.read(run.checkpoint_file).counters.patience
    assert state == trainer.patience.state
    assert state.halved == (stop >= 15)
    seed_all(99)  # another process stands elsewhere
    trainer = workshop.resume(run)
    assert trainer.patience.state == state
    assert trainer.train().step == 25
    assert run.model_file.read_bytes() == whole.model_file.read_bytes()
    mine, theirs = (read_tensors(each.checkpoint_file)[0] for each in (run, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert timeless(run) == timeless(whole)


@pytest.mark.usefixtures("never_better")
def test_a_run_that_forgot_its_patience_would_be_another(workshop: Any, watcher: Any) -> None:
    """So the comparison above can tell."""
    recipe = with_plan(workshop.recipe, **HALVED)
    whole = workshop.finished("whole", recipe)
    run, trainer = workshop.begin("stopped", recipe, listener=watcher)
    watcher.at_step[17] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        trainer.train()
    trainer = workshop.resume(run)
    trainer.patience.state = PatienceState()
    assert trainer.train().step != 25
    assert run.model_file.read_bytes() != whole.model_file.read_bytes()


@pytest.mark.usefixtures("never_better")
def test_a_run_that_stopped_early_is_ended_when_it_goes_on(workshop: Any) -> None:
    run = workshop.finished("one", with_plan(workshop.recipe, steps=100, early_stopping=1))
    before = run.model_file.read_bytes()
    trainer = workshop.resume(run)
    assert trainer.ended
    assert trainer.train().step == 10
    assert run.model_file.read_bytes() == before
