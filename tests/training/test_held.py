"""A run whose folder is moved, replaced or emptied while it is trained."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from kqv.errors import RunError
from kqv.systems.digits.trained import load_network
from kqv.training.checkpoint import Checkpoint
from kqv.training.run import CLASSES, CONFIG, Run
from kqv.training.stops import Interrupted, Lost


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def all_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("ending", ["stopped", "finished"])
def test_a_run_that_took_the_path_is_left_alone(ending: str, workshop: Any, watcher: Any) -> None:
    """`mv r moved; cp -r other r` in the midst of training r."""
    other = workshop.finished("other")
    run, trainer = workshop.begin("r", listener=watcher, checkpoint_seconds=0.0)
    moved = Run(workshop.folder / "moved")

    def replace() -> None:
        run.path.rename(moved.path)
        shutil.copytree(other.path, run.path)

    watcher.at_step = {7: replace} | ({12: stop} if ending == "stopped" else {})
    step = 12 if ending == "stopped" else 23
    with pytest.raises(Lost) as lost:
        trainer.train()
    assert str(lost.value) == (
        f"{run.path} was moved to {moved.path} while it was trained; the state of step {step} is saved there: "
        f"kqv train digits --resume {moved.path}"
    )
    assert all_of(run.path) == all_of(other.path)
    assert Checkpoint.read(moved.checkpoint_file, moved.identity).counters.step == step
    workshop.resume(moved).train()
    assert all_of(moved.path)["model.safetensors"] == workshop.finished("whole").model_file.read_bytes()


def test_a_run_that_was_moved_and_moved_back_goes_on(workshop: Any, watcher: Any) -> None:
    run, trainer = workshop.begin("r", listener=watcher, checkpoint_seconds=0.0)
    watcher.at_step = {
        5: lambda: run.path.rename(workshop.folder / "moved"),
        9: lambda: (workshop.folder / "moved").rename(run.path),
    }
    trainer.train()
    assert run.model_file.read_bytes() == workshop.finished("whole").model_file.read_bytes()
    assert [path.name for path in workshop.folder.iterdir() if path.name == "moved"] == []


@pytest.mark.parametrize("ending", ["stopped", "at the next save"])
def test_a_run_that_was_removed_promises_nothing(ending: str, workshop: Any, watcher: Any) -> None:
    seconds = 1e9 if ending == "stopped" else 0.0
    run, trainer = workshop.begin("r", listener=watcher, checkpoint_seconds=seconds)
    watcher.at_step = {7: lambda: shutil.rmtree(run.path), 8: stop}
    with pytest.raises(Lost) as lost:
        trainer.train()
    assert str(lost.value).startswith(f"{run.path} was removed while it was trained")
    assert not any(word in str(lost.value) for word in ("kept", "is saved", "--resume"))
    assert not run.path.exists()


@pytest.mark.parametrize("ending", ["stopped", "finished"])
def test_files_that_a_run_needs_are_written_again_when_they_were_removed(
    ending: str, workshop: Any, watcher: Any
) -> None:
    run, trainer = workshop.begin("r", listener=watcher)
    before = all_of(run.path)

    def remove() -> None:
        for name in (CONFIG, CLASSES, "model.safetensors", "checkpoint.safetensors"):
            (run.path / name).unlink()

    watcher.at_step = {7: remove} | ({12: stop} if ending == "stopped" else {})
    if ending == "stopped":
        with pytest.raises(Interrupted):
            trainer.train()
    else:
        trainer.train()
    assert all(all_of(run.path)[name] == before[name] for name in (CONFIG, CLASSES))
    load_network(Run.find(run.path))
    workshop.resume(run).train()
    assert run.model_file.read_bytes() == workshop.finished("whole").model_file.read_bytes()


@pytest.mark.parametrize("change", ["trained further", "replaced"])
def test_what_changed_before_it_was_held_is_not_overwritten(change: str, workshop: Any) -> None:
    """Two processes may read a run before either holds it; the second would train the old state over the new one."""
    run, trainer = workshop.begin("r")
    if change == "trained further":
        workshop.resume(run).train()
    else:
        recipe = workshop.recipe
        plan = recipe.training.model_copy(update={"seed": recipe.training.seed + 1})
        other, _ = workshop.begin("other", recipe.model_copy(update={"training": plan}))
        shutil.rmtree(run.path)
        shutil.copytree(other.path, run.path)
    before = all_of(run.path)
    with pytest.raises(RunError, match="was changed by another process in the meantime; start again"):
        trainer.train()
    assert all_of(run.path) == before
