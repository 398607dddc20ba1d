"""`kqv train digits`: what its words do, and what it says."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.systems.digits.start import DigitsTask
from kqv.training.run import Run

Kqv = Callable[..., Any]


def steps_of(run: str) -> int:
    return json.loads(Path(run, "metrics.jsonl").read_text().splitlines()[-1])["step"]


def test_runs_are_named_by_recipe_and_data(kqv: Kqv, small: None, picture_folder: Path) -> None:
    names = [kqv("train", "digits", "--json").json["run"] for _ in range(2)]
    names.append(kqv("train", "digits", "--json", "--data", "DIGITS8x8").json["run"])
    names.append(kqv("train", "digits", "--json", "--data", picture_folder, "--steps", 2).json["run"])
    names.append(
        kqv("train", "digits", "--json", "--recipe", "nielsen", "--data", "digits8x8", "--steps", 2).json["run"]
    )
    assert names == [
        "runs/digits-1", "runs/digits-2", "runs/digits-3", "runs/digits-my-pictures-1", "runs/nielsen-digits8x8-1",
    ]  # fmt: skip


@pytest.fixture
def picture_folder(here: Path, small_data: Any) -> Path:
    """A folder with a folder of pictures for each of three classes, [named] oddly."""
    from PIL import Image

    folder = Path("my pictures!")
    for label, name in enumerate(("zero", "[bold]one", "two")):
        (folder / name).mkdir(parents=True)
        for position in (small_data.train.labels == label).nonzero()[0][:6]:
            Image.fromarray(small_data.train.pixels[position]).save(folder / name / f"{position}.png")
    return folder


def test_a_folder_of_pictures(kqv: Kqv, small: None, picture_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, tested, asked and gone on with, also from another folder."""
    trained = kqv("train", "digits", "--data", picture_folder, "--steps", 3)
    assert trained.status == 0
    run = Path("runs/digits-my-pictures-1").resolve()
    picture = next(picture_folder.glob("two/*")).resolve()
    monkeypatch.chdir("/")
    assert kqv("train", "digits", "--resume", run, "--steps", 40, "--json").json["steps"] == 40
    assert kqv("evaluate", run, "--split", "train", "--json").json["pictures"] == 12
    said = kqv("classify", run, picture, "--json").json["pictures"][0]
    assert set(said["probabilities"]) == {"zero", "[bold]one", "two"}
    assert "[bold]one" in kqv("evaluate", run).out
    assert "[bold]one" in kqv("classify", run, picture).out


def test_what_it_says_in_a_pipe(kqv: Kqv, small: None) -> None:
    done = kqv("train", "digits", "--steps", 15)
    assert "network [64, 12, 10]" in done.err
    assert "1,200 to train, 300 to validate, 297 to test" in done.err
    accuracy = Run(Path("runs/digits-1")).metrics()[-1]["validation_accuracy"]
    assert "step 15 of 15: validation loss" in done.err
    assert f"validation accuracy {100 * accuracy:.2f} %, saved in runs/digits-1" in done.out
    assert "kqv evaluate runs/digits-1" in done.out
    assert not any(sign in done.out + done.err for sign in "\x1b\r\b")


def test_long_trainings_fill_no_log(kqv: Kqv, small: None) -> None:
    done = kqv("train", "digits", "--steps", 60 * 40)
    assert 20 <= sum("validation loss" in line for line in done.err.splitlines()) <= 21


def test_seed_and_steps_stand_in_the_run(kqv: Kqv, small: None) -> None:
    models = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert kqv("train", "digits", "--seed", seed, "--steps", 12, "--out", name).status == 0
        assert Run(Path(name)).recipe.training.seed == seed
        assert Run(Path(name)).recipe.training.steps == steps_of(name) == 12
        models.append(Path(name, "model.safetensors").read_bytes())
    assert models[0] == models[1] != models[2]


def test_minutes(kqv: Kqv, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kqv.training.budget.seconds_per_step", lambda *_: 0.1)
    monkeypatch.setattr("kqv.training.budget.seconds_of_evaluation", lambda *_: 0.0)
    assert kqv("train", "digits", "--minutes", 0.05, "--json").json["steps"] == 30


def test_a_finished_run_says_how_to_train_it_further(kqv: Kqv, small: None) -> None:
    kqv("train", "digits", "--out", "one")
    model = Path("one/model.safetensors").read_bytes()
    again = kqv("train", "digits", "--resume", "one", "--json")
    assert again.status == 0
    assert "one is finished: 23 of 23 steps. To train it further:" in again.err
    assert "kqv train digits --resume one --steps 46" in again.err.splitlines()
    assert again.json["steps"] == 23
    assert Path("one/model.safetensors").read_bytes() == model
    further = kqv("train", "digits", "--resume", "one", "--steps", 46, "--json")
    assert further.json["steps"] == 46
    assert "23 steps become 46; the learning rate's schedule is stretched over them" in further.err


def test_from_takes_weights_and_recipe(kqv: Kqv, small: None) -> None:
    kqv("train", "digits", "--recipe", "nielsen", "--data", "digits8x8", "--steps", 3, "--out", "one")
    assert kqv("train", "digits", "--from", "one", "--steps", 2, "--out", "two").status == 0
    one, two = Run(Path("one")), Run(Path("two"))
    assert two.recipe.model == one.recipe.model
    assert two.config.weights_from == "one"
    assert "of a network [64, 30, 10]" in kqv("train", "digits", "--from", "one", "--recipe", "digits").problem


def test_moved_data_is_found_with_data(kqv: Kqv, small: None, picture_folder: Path) -> None:
    assert kqv("train", "digits", "--data", picture_folder, "--steps", 3, "--out", "one").status == 0
    picture_folder.rename("moved")
    assert "no pictures are called" in kqv("train", "digits", "--resume", "one", "--steps", 6).problem
    assert kqv("train", "digits", "--resume", "one", "--steps", 6, "--data", "moved").status == 0
    assert kqv("evaluate", "one", "--data", "moved").status == 0
    assert "is not what one was trained on" in kqv("train", "digits", "--resume", "one", "--data", "digits8x8").problem


def interrupting(step: int, *signals: int) -> Callable[..., Any]:
    """A batch of a task that sends this process signals at a step."""
    batch = DigitsTask.batch

    def send(self: DigitsTask, number: int) -> Any:
        for one in signals if number == step else ():
            os.kill(os.getpid(), one)
        return batch(self, number)

    return send


@pytest.mark.parametrize(
    ("signals", "status"), [((signal.SIGINT,), 130), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129)]
)
def test_stopped(signals: tuple[int, ...], status: int, kqv: Kqv, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DigitsTask, "batch", interrupting(6, *signals))
    done = kqv("train", "digits", "--json")
    assert done.status == status
    assert done.out == ""
    said = "stopped at step 7 of 23, everything is saved in runs/digits-1"
    assert done.err.splitlines()[-1] == f"{said}; resume with: kqv train digits --resume runs/digits-1"


def test_stopped_at_once(kqv: Kqv, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DigitsTask, "batch", interrupting(6, signal.SIGINT, signal.SIGINT))
    done = kqv("train", "digits")
    assert done.status == 130
    assert done.err.splitlines()[-1].startswith(
        "stopped immediately; step 0 is saved in runs/digits-1; resume with: kqv train"
    )


def test_stopped_before_there_is_a_run(kqv: Kqv, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kqv.systems.digits.start.load_digits", interrupt)
    done = kqv("train", "digits")
    assert (done.status, done.out, done.err) == (130, "", "stopped\n")
    assert not Path("runs").exists()


def test_memory_that_is_not_enough_during_training(kqv: Kqv, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = DigitsTask.batch

    def greedy(self: DigitsTask, step: int) -> Any:
        if step == 6:
            torch.empty(10**15)
        return batch(self, step)

    monkeypatch.setenv("KQV_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(DigitsTask, "batch", greedy)
    done = kqv("train", "digits")
    assert done.status == 1
    said = done.err.splitlines()[-1]
    assert said.startswith("error: not enough memory: ")
    assert said.endswith("step 6 is saved in runs/digits-1; resume with: kqv train digits --resume runs/digits-1")


@pytest.mark.parametrize("learning_rate", [1e30])
def test_a_loss_that_is_no_number(
    learning_rate: float, kqv: Kqv, small_recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"optimizer": "gradient-descent", "learning_rate": learning_rate, "clip": None}
    plan = small_recipe.training.model_copy(update=changes)
    recipe = small_recipe.model_copy(update={"training": plan})
    monkeypatch.setattr("kqv.systems.digits.recipes.digits", lambda: recipe)
    done = kqv("train", "digits")
    assert done.status == 1
    assert "the last good state, of step 0, is kept in runs/digits-1: try another seed" in done.err.splitlines()[-1]
    assert kqv("evaluate", "runs/digits-1").status == 0
