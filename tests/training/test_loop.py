"""The loop: when it measures and saves, and what is left when something goes wrong."""

from __future__ import annotations

import errno
import math
import os
import signal
from typing import Any

import pytest
import torch

from kqv import tensors
from kqv.evaluation.pictures import score_pictures
from kqv.systems.digits.recipes import TrainingPlan
from kqv.systems.digits.trained import load_network
from kqv.tensors import all_finite, read_tensors
from kqv.training.checkpoint import Checkpoint
from kqv.training.loop import Diverged, Interrupted, Unsaved
from kqv.training.run import Run
from kqv.training.schedules import share


def finite_state(run: Run) -> int:
    """The step of a run's checkpoint, after making sure that all of it and the weights are good."""
    tensors, _ = read_tensors(run.checkpoint_file)
    assert all_finite(tensors)
    load_network(run)
    return Checkpoint.read(run.checkpoint_file).counters.step


def test_it_scores_at_each_epochs_end_and_at_the_last_step(workshop: Any, watcher: Any) -> None:
    run, trainer = workshop.begin("one", listener=watcher)
    trainer.train()
    assert trainer.task.evaluate_every == 5
    assert [step for step, _ in watcher.scores] == [5, 10, 15, 20, 23]
    scored = [line for line in run.metrics() if "validation_loss" in line]
    assert [line["step"] for line in scored] == [5, 10, 15, 20, 23]
    model, (vectors, labels) = load_network(run), trainer.task.validation
    scores = score_pictures(model, vectors, labels)
    assert scored[-1]["validation_loss"] == scores.loss == trainer.scores["loss"]
    assert scored[-1]["validation_accuracy"] == scores.accuracy


def test_the_last_step_is_scored_once_when_it_ends_an_epoch(workshop: Any, watcher: Any) -> None:
    recipe = workshop.recipe
    plan = recipe.training.model_copy(update={"steps": 10})
    _, trainer = workshop.begin("one", recipe.model_copy(update={"training": plan}), listener=watcher)
    trainer.train()
    assert [step for step, _ in watcher.scores] == [5, 10]


def test_losses_are_recorded_at_fixed_steps_and_are_means_of_all_steps_since(
    workshop: Any, watcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kqv.training.loop.REPORTS", 5)
    run, trainer = workshop.begin("one", listener=watcher)
    trainer.train()
    recorded = {line["step"]: line["loss"] for line in run.metrics() if "loss" in line}
    assert list(recorded) == [5, 10, 15, 20, 23]
    for first, last in ((0, 5), (5, 10), (20, 23)):
        assert recorded[last] == pytest.approx(sum(watcher.losses[first:last]) / (last - first))


def test_the_loop_uses_the_schedules_share_of_the_learning_rate(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, trainer = workshop.begin("one")
    plan, used = workshop.recipe.training, []
    monkeypatch.setattr(trainer.optimizer, "set_share", used.append)
    trainer.train()
    assert used == [share(plan.schedule, step, 23, plan.warm_up, plan.floor) for step in range(23)]


def test_it_trains_in_training_mode_whatever_the_model_was_in(workshop: Any) -> None:
    run, trainer = workshop.begin("one")
    trainer.task.model.eval()
    trainer.train()
    assert run.model_file.read_bytes() == workshop.finished("whole").model_file.read_bytes()


def test_gradients_are_clipped_before_the_update(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = {}
    for clip in (None, 0.05):
        plan = workshop.recipe.training.model_copy(update={"clip": clip})
        _, trainer = workshop.begin(f"clip {clip}", workshop.recipe.model_copy(update={"training": plan}))
        norms[clip] = []
        step = trainer.optimizer.step

        def remember(step: Any = step, trainer: Any = trainer, clip: Any = clip) -> None:
            gradients = [parameter.grad for parameter in trainer.optimizer.parameters()]
            norms[clip].append(math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients)))
            step()

        monkeypatch.setattr(trainer.optimizer, "step", remember)
        trainer.train()
    assert min(norms[None]) > 0.05
    assert max(norms[0.05]) <= 0.05 * (1 + 1e-4)


def plan_of(workshop: Any, **changes: Any) -> Any:
    plan = TrainingPlan.model_validate(workshop.recipe.training.model_dump() | changes)
    return workshop.recipe.model_copy(update={"training": plan})


@pytest.mark.parametrize("interval", [0.0, 1e9])
def test_a_loss_that_is_no_number_ends_it_and_the_last_good_state_is_kept(interval: float, workshop: Any) -> None:
    recipe = plan_of(workshop, optimizer="gradient-descent", learning_rate=1e20, clip=None, schedule="constant")
    run, trainer = workshop.begin("one", recipe, checkpoint_seconds=interval)
    with pytest.raises(Diverged, match=r"at step \d+; the last good state, of step \d+, is kept in .*learning rate"):
        trainer.train()
    assert finite_state(run) == trainer.saved < trainer.step


def test_weights_that_are_no_numbers_are_never_saved(workshop: Any, watcher: Any) -> None:
    """The loss of a step says nothing of the weights that the step made."""
    run, trainer = workshop.begin("one", listener=watcher, checkpoint_seconds=0.0)
    weight = trainer.task.model.layers[0].weight

    def spoil() -> None:
        with torch.no_grad():
            weight[3, 3] = math.inf

    watcher.at_step[7] = spoil
    with pytest.raises(Diverged, match="the weights or the loss are not finite, at step 7"):
        trainer.train()
    assert finite_state(run) == 6


def test_a_validation_loss_that_is_no_number_ends_it(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, trainer = workshop.begin("one")
    monkeypatch.setattr(trainer.task, "evaluate", lambda advance: {"loss": math.inf, "accuracy": 0.1})
    with pytest.raises(Diverged, match="the validation loss is infinite, at step 5"):
        trainer.train()
    assert finite_state(run) == 0


@pytest.mark.parametrize("failure", [ZeroDivisionError, BrokenPipeError, SystemExit])
def test_what_a_listener_raises_is_noted_once_and_ends_nothing(
    failure: type[BaseException], workshop: Any, watcher: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise failure("\x1b[2J")

    for call in ("started", "evaluated"):
        setattr(watcher, call, fail)
    watcher.at_step = dict.fromkeys((8, 9), fail)
    run, trainer = workshop.begin("one", listener=watcher)
    assert trainer.train().step == 23
    assert watcher.steps[-1] == 23, "it is told of the rest all the same"
    what = f"what shows this training failed ({failure.__name__}: ␛[2J); the training continues"
    assert [record.getMessage() for record in caplog.records] == [what]
    assert run.model_file.read_bytes() == workshop.finished("whole").model_file.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_saves_and_ends_it_after_the_step(number: signal.Signals, workshop: Any, watcher: Any) -> None:
    before = signal.getsignal(number)
    run, trainer = workshop.begin("one", listener=watcher)
    watcher.at_step[4] = lambda: os.kill(os.getpid(), number)
    with pytest.raises(Interrupted, match="stopped at step 4 of 23") as stopped:
        trainer.train()
    assert (stopped.value.signal, stopped.value.saved) == (number, 4)
    assert finite_state(run) == 4
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("evaluation", "step"), [(2, 10), (5, 23)])
def test_a_signal_in_the_midst_of_an_evaluation_ends_it_and_resuming_makes_the_same_measurements(
    evaluation: int, step: int, workshop: Any, timeless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 pictures in parts of ten: after the first part of one evaluation the signal comes, and no other is scored."""
    monkeypatch.setattr("kqv.evaluation.pictures.CHUNK", 10)
    whole = workshop.finished("whole")
    run, trainer = workshop.begin("one")
    evaluate, calls, parts = trainer.task.evaluate, [], []

    def interrupted(advance: Any) -> dict[str, float]:
        calls.append(advance)

        def heard(done: int, of: int) -> None:
            if len(calls) == evaluation:
                parts.append((done, of))
                os.kill(os.getpid(), signal.SIGTERM)
            advance(done, of)

        scores: dict[str, float] = evaluate(heard)
        return scores

    monkeypatch.setattr(trainer.task, "evaluate", interrupted)
    with pytest.raises(Interrupted, match=f"stopped at step {step} of 23") as stopped:
        trainer.train()
    assert (stopped.value.saved, parts) == (step, [(10, 40)])
    assert finite_state(run) == step
    assert [line["step"] for line in run.metrics()][-1] < step
    assert workshop.resume(run).train().scores == workshop.resume(whole).train().scores
    assert timeless(run) == timeless(whole)
    assert run.model_file.read_bytes() == whole.model_file.read_bytes()


def test_a_long_evaluation_saves_what_was_trained_before(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the midst of it costs no more than a kill at any other time."""
    run, trainer = workshop.begin("one", checkpoint_seconds=0.5)
    evaluate, saved = trainer.task.evaluate, []

    def slow(advance: Any) -> dict[str, float]:
        trainer.storage.saved_at -= 1  # as if the time had passed
        advance(1, 2)
        saved.append(Checkpoint.read(run.checkpoint_file).counters)
        scores: dict[str, float] = evaluate(advance)
        return scores

    monkeypatch.setattr(trainer.task, "evaluate", slow)
    trainer.train()
    assert [(counters.step, counters.due) for counters in saved] == [(step, True) for step in (5, 10, 15, 20, 23)]
    assert not Checkpoint.read(run.checkpoint_file).counters.due


def test_ctrl_c_at_the_last_step_ends_it_as_finished(workshop: Any, watcher: Any) -> None:
    run, trainer = workshop.begin("one", listener=watcher)
    watcher.at_step[23] = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert trainer.train().step == 23
    assert finite_state(run) == 23


def test_a_second_ctrl_c_ends_it_at_once(workshop: Any, watcher: Any) -> None:
    run, trainer = workshop.begin("one", listener=watcher)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    watcher.at_step[4] = twice
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert finite_state(run) == 0


def test_a_signal_that_was_ignored_stays_ignored(workshop: Any, watcher: Any) -> None:
    """As `nohup` and shells for commands in the background do."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _, trainer = workshop.begin("one", listener=watcher)
        watcher.at_step[4] = lambda: os.kill(os.getpid(), signal.SIGHUP)
        assert trainer.train().step == 23
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_full_disk_keeps_the_checkpoint_before(workshop: Any, watcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, trainer = workshop.begin("one", listener=watcher, checkpoint_seconds=0.0)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    watcher.at_step[6] = lambda: monkeypatch.setattr(tensors, "write_to", refuse)
    with pytest.raises(Unsaved, match=r"the disk is full; free some space.*the state of step 5 is kept"):
        trainer.train()
    monkeypatch.undo()
    assert finite_state(run) == 5
    workshop.resume(run).train()
    assert run.model_file.read_bytes() == workshop.finished("whole").model_file.read_bytes()
