"""A run that was stopped, anywhere and by anything, ends as if it never had been: the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from kqv import tensors
from kqv.errors import Error, RunError
from kqv.systems.digits.recipes import DigitsRecipe, TrainingPlan
from kqv.tensors import read_tensors
from kqv.training.checkpoint import Checkpoint
from kqv.training.held import held
from kqv.training.randomness import seed_all
from kqv.training.run import METRICS, Run

PLANS = {
    "adamw": {},
    "momentum": {"optimizer": "gradient-descent", "momentum": 0.9, "learning_rate": 0.05},
    "muon": {
        "optimizer": "muon",
        "learning_rate": 0.02,
        "adamw_learning_rate": 0.01,
        "momentum": 0.95,
        "schedule": "trapezoid",
        "keep_best": True,
    },
    "plain": {"optimizer": "gradient-descent", "learning_rate": 0.05, "weight_decay": 0.0},
}


class Crash(BaseException):
    """Stands for a kill: nothing in the product may catch it."""


def with_plan(recipe: DigitsRecipe, **changes: Any) -> DigitsRecipe:
    plan = TrainingPlan.model_validate(recipe.training.model_dump() | changes)
    return recipe.model_copy(update={"training": plan})


def crash() -> None:
    raise Crash


def same(one: Run, other: Run) -> None:
    assert one.model_file.read_bytes() == other.model_file.read_bytes()
    mine, theirs = (read_tensors(run.checkpoint_file)[0] for run in (one, other))
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("stop", [1, 3, 5, 10, 22])  # an epoch has five steps
def test_a_run_that_is_stopped_and_goes_on_is_the_same(
    plan: str, stop: int, workshop: Any, watcher: Any, timeless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kqv.training.loop.REPORTS", 6)  # every four steps, so that it also stops between two reports
    recipe = with_plan(workshop.recipe, **PLANS[plan])
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
    same(run, whole)
    assert timeless(run) == timeless(whole)


@pytest.mark.parametrize("interval", [0.0, 1e9])
def test_a_run_that_crashes_again_and_again_is_the_same(
    interval: float, workshop: Any, watcher: Any, timeless: Any
) -> None:
    whole = workshop.finished("whole")
    run, trainer = workshop.begin("crashed", listener=watcher, checkpoint_seconds=interval)
    for step in (2, 6, 10, 15, 21):
        watcher.at_step = {step: crash}
        with pytest.raises(Crash):
            trainer.train()
        trainer = workshop.resume(run, listener=watcher, checkpoint_seconds=interval)
        assert trainer.step == (step - 1 if interval == 0 else 0)
    watcher.at_step = {}
    trainer.train()
    same(run, whole)
    assert timeless(run) == timeless(whole)


@pytest.mark.parametrize("last", [False, True], ids=["in the middle", "at the end"])
def test_a_crash_between_weights_and_checkpoint_is_mended(
    last: bool, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are written first; a run whose weights are newer than its checkpoint makes the steps again."""
    whole = workshop.finished("whole")
    run, trainer = workshop.begin("crashed", checkpoint_seconds=1e9 if last else 0.0)
    write, writes = Checkpoint.write, []

    def fail_at_times(self: Checkpoint, *target: Any) -> None:
        writes.append(self.counters.step)
        if len(writes) == (1 if last else 7):
            raise Crash
        write(self, *target)

    monkeypatch.setattr(Checkpoint, "write", fail_at_times)
    with pytest.raises(Crash):
        trainer.train()
    assert writes[-1] == (23 if last else 7)
    assert Checkpoint.read_counters(run.checkpoint_file).step == (0 if last else 6)
    workshop.resume(run).train()
    same(run, whole)


def test_a_crash_in_the_middle_of_writing_leaves_the_checkpoint_before(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = workshop.finished("whole")
    run, trainer = workshop.begin("crashed", checkpoint_seconds=0.0)
    save, saves = tensors.write_to, []

    def write_half(file: BinaryIO, *content: Any) -> None:
        saves.append(file)
        save(file, *content)
        if len(saves) == 9:
            file.truncate(1000)
            # a kill leaves no time to tidy up
            monkeypatch.setattr("kqv.files.os.unlink", lambda *_, **__: None)
            raise Crash

    monkeypatch.setattr(tensors, "write_to", write_half)
    with pytest.raises(Crash):
        trainer.train()
    monkeypatch.undo()
    assert len(list(run.path.glob(".*"))) == 1
    workshop.resume(run).train()
    same(run, whole)
    assert not list(run.path.glob(".*")), "what the killed writer left is removed"


def test_half_lines_and_later_lines_are_cut_from_the_metrics(workshop: Any, watcher: Any, timeless: Any) -> None:
    whole = workshop.finished("whole")
    watcher.at_step = {9: crash}
    run, trainer = workshop.begin("crashed", listener=watcher, checkpoint_seconds=0.0)
    with pytest.raises(Crash):
        trainer.train()
    with (run.path / METRICS).open("ab") as file:
        file.write(b'\xff\xfe\n[1, 2]\n{"step": "x"}\n{"step": 12, "loss": 1.0}\n{"step": 13, "lo')
    assert [line["step"] for line in run.metrics()][-1] == 12
    workshop.resume(run).train()
    assert timeless(run) == timeless(whole)
    assert all(json.loads(line) for line in (run.path / METRICS).read_text().splitlines())


def test_a_finished_run_has_nothing_left_to_do(workshop: Any) -> None:
    run = workshop.finished("whole")
    before = run.model_file.read_bytes(), run.checkpoint_file.read_bytes(), run.metrics()
    result = workshop.resume(run).train()
    assert result.step == 23
    assert result.scores == {
        "loss": run.metrics()[-1]["validation_loss"],
        "accuracy": run.metrics()[-1]["validation_accuracy"],
    }
    assert (run.model_file.read_bytes(), run.checkpoint_file.read_bytes(), run.metrics()) == before


def test_a_finished_run_goes_on_with_more_steps(workshop: Any, timeless: Any) -> None:
    run = workshop.finished("whole")
    before = timeless(run)
    trainer = workshop.resume(run, steps=40)
    assert (trainer.step, trainer.steps) == (23, 40)
    trainer.train()
    assert timeless(run)[: len(before)] == before
    assert timeless(run)[-1]["step"] == 40
    # the run remembers it: without --steps it is finished at 40, not at 23
    assert run.recipe.training.steps == 40
    assert [(change.at_step, change.steps_before) for change in run.config.lengthened] == [(23, 23)]
    assert workshop.resume(run).train().step == 40


def test_with_a_constant_rate_more_steps_are_the_same_as_all_at_once(workshop: Any) -> None:
    recipe = with_plan(workshop.recipe, schedule="constant")
    run = workshop.finished("short", recipe)
    workshop.resume(run, steps=31).train()
    whole = workshop.finished("long", with_plan(recipe, steps=31))
    mine, theirs = (read_tensors(each.model_file)[0] for each in (run, whole))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


def test_the_schedule_is_stretched_over_the_new_steps(workshop: Any) -> None:
    """At step 23 of 23 the cosine is at its end; at step 23 of 46 it is in its middle, and the weights move again."""
    run = workshop.finished("whole")
    first = workshop.resume(run, steps=46)
    first.train()
    moved, _ = read_tensors(run.model_file)
    again = workshop.finished("again")
    at_its_end = workshop.resume(again, steps=24)  # the last step of a cosine hardly moves
    at_its_end.train()
    hardly, _ = read_tensors(again.model_file)
    start, _ = read_tensors(workshop.finished("third").model_file)
    name = "layers.0.weight"
    assert (moved[name] - start[name]).norm() > 20 * (hardly[name] - start[name]).norm()


def test_a_lengthened_run_that_is_killed_before_it_saves_is_the_same(
    workshop: Any, watcher: Any, timeless: Any
) -> None:
    """One that stopped early has a new chance by more steps; and it keeps it when it is killed at once."""
    recipe = with_plan(workshop.recipe, steps=200, early_stopping=1, learning_rate=0.3)
    runs = [workshop.finished(name, recipe) for name in ("whole", "killed")]
    stopped = [Checkpoint.read_counters(run.checkpoint_file) for run in runs]
    assert stopped[0].step == stopped[1].step < 200
    assert stopped[0].patience.waited == 1, "it has to have stopped early"
    workshop.resume(runs[0], steps=300).train()
    watcher.at_step = {stopped[1].step + 1: crash}
    trainer = workshop.resume(runs[1], steps=300, listener=watcher)
    with pytest.raises(Crash):
        trainer.train()
    assert Checkpoint.read_counters(runs[1].checkpoint_file).step == stopped[1].step, "nothing was saved"
    trainer = workshop.resume(runs[1])
    trainer.train()
    assert trainer.step > stopped[1].step
    same(runs[1], runs[0])
    assert timeless(runs[1]) == timeless(runs[0])


def test_fewer_steps_than_were_made_are_refused(workshop: Any) -> None:
    run = workshop.finished("whole")
    before = (run.path / "config.json").read_bytes()
    with pytest.raises(Error, match=r"has made 23 steps already; give --steps more than that"):
        workshop.resume(run, steps=10)
    assert (run.path / "config.json").read_bytes() == before


def test_a_run_goes_on_with_its_own_number_of_threads(workshop: Any) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        run, _ = workshop.begin("one")
        torch.set_num_threads(2)
        workshop.resume(run)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_other_data_than_the_runs_is_refused(workshop: Any, small_data: Any) -> None:
    run, _ = workshop.begin("one")
    altered = small_data.train.pixels.copy()
    altered[0, 0, 0] ^= 1
    workshop.data = type(small_data)(
        small_data.name, small_data.classes, type(small_data.train)(altered, small_data.train.labels),
        small_data.validation, small_data.test,
    )  # fmt: skip
    with pytest.raises(RunError, match=r"is not what .*one was trained on.*--from"):
        workshop.resume(run)


def test_two_processes_cannot_train_one_run(workshop: Any) -> None:
    run, trainer = workshop.begin("one")
    assert not run.is_training
    with held(run):
        assert run.is_training
        with pytest.raises(RunError, match="another process is training"):
            trainer.train()
    assert not run.is_training
    trainer.train()


def test_training_works_in_a_thread(workshop: Any) -> None:
    """Where no signal handlers can be set."""
    run, trainer = workshop.begin("one")
    results: list[Callable[[], Any]] = []
    thread = threading.Thread(target=lambda: results.append(trainer.train()))
    thread.start()
    thread.join()
    assert results
    same(run, workshop.finished("whole"))


def test_nothing_is_pickled() -> None:
    import kqv

    package = Path(kqv.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("torch.save", "torch.load", "import pickle", "_object("):
            assert word not in text, f"{path} uses {word}"
