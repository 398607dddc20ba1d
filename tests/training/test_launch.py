"""A new run: its folder, its first weights, its number of steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv import tensors
from kqv.data.digits import DigitData
from kqv.errors import Error, RunError
from kqv.files.directory import Directory
from kqv.systems.changes import Changes
from kqv.systems.digits import start as digits
from kqv.systems.digits.recipes import DigitsRecipe, TrainingPlan
from kqv.systems.digits.start import recipe_of, with_changes
from kqv.systems.digits.trained import load_network
from kqv.systems.loading import load
from kqv.training.devices import device_of, what_differs
from kqv.training.distributed import Group
from kqv.training.held import HeldRun, held
from kqv.training.run import Run, list_runs, new_path


def planned(recipe: DigitsRecipe, **changes: Any) -> DigitsRecipe:
    plan = TrainingPlan.model_validate(recipe.training.model_dump() | changes)
    return recipe.model_copy(update={"training": plan})


def same_weights(one: Run, other: Run) -> None:
    mine, theirs = (tensors.read_tensors(run.model_file, run.identity)[0] for run in (one, other))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


def test_a_run_is_whole_before_its_first_step(workshop: Any) -> None:
    run, trainer = workshop.begin("one")
    loaded = load(run.path)
    for name, weight in trainer.task.model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight)
    assert run.recipe_of(DigitsRecipe) == workshop.recipe
    assert workshop.resume(run).train().step == 23


def test_the_seed_decides(workshop: Any) -> None:
    models = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        models[name] = workshop.finished(name, planned(workshop.recipe, seed=seed)).model_file.read_bytes()
    assert models["a"] == models["b"] != models["c"]


@pytest.mark.parametrize("stands", ["a file", "another file in the folder", "a run"])
def test_nothing_that_stands_there_is_touched(stands: str, workshop: Any) -> None:
    path = workshop.folder / "one"
    if stands == "a file":
        path.write_text("mine")
    elif stands == "a run":
        workshop.finished("one")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    before = {found: found.read_bytes() for found in (path, *path.glob("**/*")) if found.is_file()}
    said = {
        "a file": "one is a file; choose another --out$",
        "another file in the folder": "one is not empty; choose another --out$",
        "a run": r"one is not empty; choose another --out, or resume the run in it: --resume .*one$",
    }
    with pytest.raises(Error, match=said[stands]):
        workshop.begin("one")
    assert {found: found.read_bytes() for found in (path, *path.glob("**/*")) if found.is_file()} == before


def test_an_empty_folder_may_be_there(workshop: Any) -> None:
    (workshop.folder / "one").mkdir()
    run, _ = workshop.begin("one")
    assert list_runs(workshop.folder) == [run]


def test_two_processes_cannot_make_a_run_in_one_position(workshop: Any) -> None:
    path = workshop.folder / "one"
    path.mkdir()
    other = Directory(path)
    other.lock()
    with pytest.raises(Error, match="another process"):
        workshop.begin("one")
    other.close()


def test_a_run_that_came_in_between_is_left_alone(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position was free when this one looked, and is taken when it wants to write."""
    make_task = digits._make_task

    def slowly(*given: Any) -> Any:
        monkeypatch.undo()
        workshop.finished("one")
        return make_task(*given)

    monkeypatch.setattr(digits, "_make_task", slowly)
    with pytest.raises(Error, match="is not empty"):
        workshop.begin("one")
    run = Run(workshop.folder / "one")
    assert run.model_file.read_bytes() == workshop.finished("two").model_file.read_bytes()


@pytest.mark.parametrize("fits", [0, 1], ids=["nothing fits", "the weights fit"])
def test_a_start_that_fails_leaves_nothing(fits: int, workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save, saves = tensors.write_to, []

    def refuse(*given: Any, **options: Any) -> None:
        saves.append(given)
        if len(saves) > fits:
            raise OSError(28, "No space left on device")
        save(*given, **options)

    monkeypatch.setattr(tensors, "write_to", refuse)
    with pytest.raises(Error, match="the disk is full") as failure:
        workshop.begin("one")
    assert "the state of step" not in str(failure.value), "nothing of it is kept"
    assert not list(workshop.folder.iterdir())


def test_weights_from_another_run(workshop: Any) -> None:
    other = workshop.finished("other")
    run, _ = workshop.begin("one", weights_from=other)
    same_weights(run, other)
    assert run.config.weights_from == str(other.path)
    # they are in the first checkpoint, so even a run that never saved again goes on from them
    trainer = workshop.resume(run)
    assert torch.equal(trainer.task.model.layers[0].weight, load_network(other).layers[0].weight)


def test_weights_of_another_size_are_refused(workshop: Any, small_data: DigitData) -> None:
    other = workshop.finished("other")
    three = [
        replace(part, labels=part.labels % 3) for part in (small_data.train, small_data.validation, small_data.test)
    ]
    workshop.data = DigitData("three", ("a", "b", "c"), *three)
    with pytest.raises(Error, match=r"of a network \[64, 12, 10\], this is a network \[64, 12, 3\].*as many classes"):
        workshop.begin("one", weights_from=other)
    assert not (workshop.folder / "one").exists()


def test_a_runs_recipe_for_another_run_counts_epochs_again(workshop: Any) -> None:
    by_epochs, _ = workshop.begin("one", planned(workshop.recipe, steps=None, epochs=2))
    assert by_epochs.recipe.training.steps == 10
    assert recipe_of(by_epochs).training.steps is None
    by_steps, _ = workshop.begin("two")
    assert recipe_of(by_steps).training.steps == 23


def test_minutes_become_steps_and_leave_no_trace(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and generators are as if nothing had been measured; the run has its steps once and for all."""
    monkeypatch.setattr("kqv.training.budget.MEASURED_SECONDS", 0.05)
    measured, trainer = workshop.begin("measured", minutes=0.02)
    plain, _ = workshop.begin("plain")
    same_weights(measured, plain)
    states = [tensors.read_tensors(run.checkpoint_file)[0]["random/torch/0"] for run in (measured, plain)]
    assert torch.equal(*states)
    assert measured.recipe.training.steps == trainer.steps


def test_minutes_are_divided_by_the_time_of_a_step(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.training.budget.seconds_per_step", lambda *_: 0.25)
    monkeypatch.setattr("kqv.training.budget.seconds_of_evaluation", lambda *_: 0.0)
    run, _ = workshop.begin("one", minutes=1.5)
    assert run.recipe.training.steps == 360
    assert workshop.resume(run).steps == 360
    short, _ = workshop.begin("two", minutes=0.0001)
    assert short.recipe.training.steps == 1


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_minutes_that_are_no_time_are_refused(minutes: float, workshop: Any) -> None:
    with pytest.raises(Error, match="--minutes needs a number above 0"):
        workshop.begin("one", minutes=minutes)


def test_changes_are_validated(small_recipe: DigitsRecipe) -> None:
    other = with_changes(small_recipe, Changes(data="mnist", seed=7, steps=5))
    assert (other.data.name, other.training.seed, other.training.steps) == ("mnist", 7, 5)
    assert with_changes(small_recipe, Changes()) == small_recipe
    for name, wrong in {"seed": 2**63, "steps": 0}.items():
        with pytest.raises(Error, match=f"^{name}: input should be"):
            with_changes(small_recipe, Changes(**{name: wrong}))


def test_new_paths_count_up_and_are_claimed(here: Any) -> None:
    assert [new_path("digits").name for _ in range(3)] == ["digits-1", "digits-2", "digits-3"]
    (here / "runs" / "digits-2").rmdir()
    (here / "runs" / "digits-mnist-9").mkdir()
    assert new_path("digits").name == "digits-4"
    assert new_path("digits-mnist").name == "digits-mnist-10"


def test_two_processes_claim_different_paths(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both looked before either made its folder."""
    assert new_path("digits").name == "digits-1"
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(()))
    assert new_path("digits").name == "digits-2"


def test_what_differs_is_said(workshop: Any) -> None:
    run, _ = workshop.begin("one")
    assert what_differs(run, Group()) == []
    assert what_differs(run, Group(0, 2)) == ["processes 1 then, 2 now"]
    with held(run) as files:
        files.write_config(run.config.model_copy(update={"device": "cuda", "versions": {"torch": "1.0"}}))
    assert what_differs(run, Group())[0] == "device cuda then, cpu now"
    if not torch.cuda.is_available():
        assert device_of(run).type in ("cpu", "mps")


def test_the_newest_run_is_the_one_that_was_trained_last(here: Any, workshop: Any) -> None:
    workshop.folder = here / "runs"
    first, trainer = workshop.begin("first")
    second, _ = workshop.begin("second")
    assert Run.find("latest").path.name == "second"
    trainer.train()
    assert Run.find("latest").path.name == "first"
    assert Run.find("second").path.resolve() == second.path.resolve()
    assert Run.find(first.path) == first


class Killed(BaseException):
    """Stands for a kill: nothing in the product may catch it, and nothing is tidied up."""


def killed_while_it_is_made(workshop: Any, write: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """What a process leaves that is killed before it writes a file of a new run."""

    def kill(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(Directory, "remove", lambda *_: None)
        raise Killed

    monkeypatch.setattr(HeldRun, write, kill)
    with pytest.raises(Killed):
        workshop.begin("one")
    monkeypatch.undo()
    return Run(workshop.folder / "one")


@pytest.mark.parametrize("write", ["write_weights", "write_checkpoint", "write_config"])
def test_a_run_that_was_killed_while_it_was_made_is_begun_again(
    write: str, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = killed_while_it_is_made(workshop, write, monkeypatch)
    assert list(run.path.iterdir())
    with pytest.raises(RunError, match=r"stopped before its first step, so nothing of it is lost; start it again"):
        Run.find(run.path)
    run, trainer = workshop.begin("one")
    assert not list(run.path.glob(".*"))
    trainer.train()
    assert run.model_file.read_bytes() == workshop.finished("two").model_file.read_bytes()


def test_what_others_put_beside_a_run_that_was_never_whole_is_not_touched(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = killed_while_it_is_made(workshop, "write_config", monkeypatch)
    (run.path / "mine.txt").write_text("mine")
    before = sorted(run.path.iterdir())
    with pytest.raises(Error, match=r"is not empty; choose another --out$"):
        workshop.begin("one")
    with pytest.raises(RunError, match=r"damaged: config\.json is missing"):
        Run.find(run.path)
    assert sorted(run.path.iterdir()) == before


def test_a_trained_run_that_lost_its_configuration_is_not_taken_for_one_that_was_never_whole(workshop: Any) -> None:
    run = workshop.finished("one")
    (run.path / "config.json").unlink()
    before = sorted(run.path.iterdir())
    with pytest.raises(RunError, match=r"damaged: config\.json is missing; restore it from a copy, or train again"):
        Run.find(run.path)
    with pytest.raises(Error, match=r"is not empty; choose another --out$"):
        workshop.begin("one")
    assert sorted(run.path.iterdir()) == before


def test_weights_of_somebody_in_a_folder_are_not_taken_for_ours(workshop: Any) -> None:
    (workshop.folder / "one").mkdir()
    (workshop.folder / "one" / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(Error, match="is not empty"):
        workshop.begin("one")
    assert (workshop.folder / "one" / "model.safetensors").read_bytes() == b"precious"


def test_repeated_trainings_have_one_identity_and_others_another(workshop: Any, small_recipe: DigitsRecipe) -> None:
    first, again, seeded = (
        workshop.begin(name, planned(small_recipe, seed=seed))[0] for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first.identity == again.identity != seeded.identity
    other = workshop.begin("d", planned(small_recipe, seed=3), weights_from=seeded)[0]
    assert other.identity not in (first.identity, None)
