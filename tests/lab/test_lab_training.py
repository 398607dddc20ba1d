"""Trainings that a page starts, watches, stops and continues; and those that others started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from lab_pages import PATIENCE, until

from kqv.errors import Error
from kqv.lab.settings import Settings
from kqv.lab.training.asked import TrainingAsked
from kqv.lab.training.children import Child, Children
from kqv.lab.training.room import TrainingRoom
from kqv.lab.training.watched import WatchedRun
from kqv.systems.digits.trained import load_network
from kqv.tensors import read_tensors
from kqv.training.run import Run

STEPS = 4000  # some seconds: it is to be stopped before it ends, also where others compute
SMALL = {"layers": 1, "width": 24}
Heard = tuple[TrainingRoom, str, list[dict[str, Any]]]


@pytest.fixture
def training(client: TestClient) -> Iterator[TestClient]:
    """The client; its trainings are ended with the test."""
    with client:
        yield client


def train(out: Path, steps: int) -> subprocess.Popen[bytes]:
    """The same training from a command line."""
    options = [f"--steps={steps}", f"--out={out}", *(f"--{name}={value}" for name, value in SMALL.items())]
    return subprocess.Popen(
        [sys.executable, "-m", "kqv", "train", "digits", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def state_of(client: TestClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        (one for one in client.get("/api/training/runs").json()["runs"] if one["name"] == name), {}
    )
    return found


def curve_of(client: TestClient, name: str, key: str) -> np.ndarray[Any, Any]:
    answer = client.get(f"/api/training/runs/{name}/curve", params={"key": key})
    sizes = [int(size) for size in answer.headers["X-Sizes"].split(",")]
    return np.frombuffer(answer.content, "<f4").reshape(sizes)


def test_a_training_is_started_watched_stopped_and_continued_to_the_same_end(
    training: TestClient, lab_settings: Settings, tmp_path: Path
) -> None:
    asked = {"system": "digits", "changes": {**SMALL, "steps": STEPS}}
    begun = training.post("/api/training/start", json=asked).json()
    name = begun["name"]
    assert begun["state"] == "starting"
    assert begun["command"].startswith("kqv train digits")

    until(lambda: "validation_loss" in state_of(training, name).get("numbers", {}))
    before = state_of(training, name)
    assert before["state"] == "running"
    stopping = training.post("/api/training/stop", json={"name": name}).json()
    assert stopping["state"] == "stopping"
    stopped = until(lambda: (found := state_of(training, name))["state"] == "stopped" and found)
    run = Run(lab_settings.runs / name)
    assert before["told"] < stopping["told"] < stopped["told"]
    assert 0 < stopped["saved"] < STEPS
    assert run.checkpoint_file.is_file()
    assert "resume" not in stopped["problem"]

    assert training.post("/api/training/continue", json={"name": name}).json()["state"] == "starting"
    until(lambda: state_of(training, name)["state"] == "finished")
    whole = tmp_path / "whole"
    assert train(whole, STEPS).wait(PATIENCE) == 0
    ours, theirs = (read_tensors(path.model_file)[0] for path in (run, Run(whole)))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)

    refused = training.post("/api/training/continue", json={"name": name})
    assert refused.status_code == 400
    assert "finished" in refused.json()["error"]

    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    expected = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    np.testing.assert_allclose(curve_of(training, name, "loss").T, expected, rtol=1e-6)


def test_a_run_from_outside_is_seen_while_it_trains_but_not_stopped_from_here(
    training: TestClient, lab_settings: Settings
) -> None:
    lab_settings.runs.mkdir()
    assert training.get("/api/training/runs").json()["runs"] == []
    other = train(lab_settings.runs / "theirs", 20_000)
    try:
        until(lambda: state_of(training, "theirs").get("numbers", {}).get("loss"))
        assert state_of(training, "theirs")["state"] == "running"
        assert not state_of(training, "theirs")["ours"]
        refused = training.post("/api/training/stop", json={"name": "theirs"})
        assert refused.status_code == 400
        assert "not started here" in refused.json()["error"]
        until(lambda: curve_of(training, "theirs", "loss").shape[1] > 2)
        before = state_of(training, "theirs")["step"]
        until(lambda: state_of(training, "theirs")["step"] > before)
        assert state_of(training, "theirs")["left"] > 0
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    died = until(lambda: (found := state_of(training, "theirs"))["state"] == "died" and found)
    assert "without saving" in died["problem"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"system": "chess"}, "there is no system 'chess'"),
        ({"system": "digits", "recipe": "none"}, "there is no recipe 'none'"),
        ({"system": "digits", "changes": {"heads": 2}}, "layers and width"),
        ({"system": "digits", "changes": {"optimizer": "luck"}}, "there is no optimizer"),
        ({"system": "digits", "changes": {"learning_rate": -1}}, "learning_rate"),
        ({"system": "digits", "data": "/there/is/none"}, "there is no data"),
        ({"system": "digits", "minutes": 1, "changes": {"steps": 5}}, "give one of them"),
        ({"system": "digits", "changes": {"batch": 0}}, "batch"),
        ({"system": "digits", "changes": {"colour": 1}}, "colour"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    training: TestClient, lab_settings: Settings, asked: dict[str, Any], said: str
) -> None:
    answer = training.post("/api/training/start", json=asked)
    assert answer.status_code in (400, 422)
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error
    assert not lab_settings.runs.exists() or not list(lab_settings.runs.iterdir())


@pytest.mark.parametrize("name", ["..", "../runs", "none", "a/b", "\0", "x" * 5000])
def test_only_runs_of_the_folder_can_be_asked_for(training: TestClient, lab_settings: Settings, name: str) -> None:
    lab_settings.runs.mkdir()
    answer = training.get(f"/api/training/runs/{quote(name, safe='')}")
    assert answer.status_code in (400, 404)
    answer = training.post("/api/training/continue", json={"name": name})
    assert answer.status_code in (400, 422)
    assert "\n" not in answer.json()["error"]


def test_a_training_that_fails_says_why(lab_settings: Settings, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    room = TrainingRoom(lab_settings.runs, lambda topic, data: told.append((topic, data)))
    lab_settings.runs.mkdir()
    (lab_settings.runs / "bad").mkdir()
    child = room.children.start("bad", ["train", "digits", f"--data={tmp_path}", f"--out={lab_settings.runs / 'bad'}"])
    child.process.wait(PATIENCE)
    room.look()
    found = room.summaries()[0]
    assert found["state"] == "died"
    assert "\n" not in found["problem"]
    assert found["problem"].startswith(f"{tmp_path} has no pictures")
    assert ("training", found) in [(topic, data | {"told": found["told"]}) for topic, data in told]
    assert not (lab_settings.runs / "bad").exists()


def test_children_end_with_the_lab_and_their_number_is_bounded(tmp_path: Path) -> None:
    children = Children(most=1)
    path = tmp_path / "long"
    child = children.start("long", ["train", "digits", "--steps=1000000", f"--out={path}"])
    with pytest.raises(Error, match="at once"):
        children.start("other", ["runs"])
    with pytest.raises(Error, match="already"):
        children.start("long", ["runs"])
    until(lambda: (path / "metrics.jsonl").is_file())
    began = time.monotonic()
    children.close()
    assert time.monotonic() - began < 3
    assert not child.is_alive
    with pytest.raises(ProcessLookupError):
        os.kill(child.process.pid, 0)
    with pytest.raises(Error, match="closing"):
        children.start("other", ["runs"])


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    """A room whose training, of that name, makes steps, and what it tells; nobody looks but the test."""
    news: list[dict[str, Any]] = []
    room = TrainingRoom(tmp_path, lambda topic, data: news.append(data) if topic == "training" else None)
    try:
        name = room.start(TrainingAsked(system="digits", changes={**SMALL, "steps": 10**6}))["name"]
        until(lambda: room.look() and news[-1].get("step"))
        yield room, name, news
    finally:
        room.close()


def test_what_a_page_hears_of_a_run_is_in_the_order_in_which_it_held(heard: Heard) -> None:
    room, name, told = heard
    answer = room.stop(name)
    until(lambda: not room.look())
    assert [news["state"] for news in told if news["told"] > answer["told"]][-1] == "stopped"
    assert answer["state"] in [news["state"] for news in told if news["told"] < answer["told"]]
    assert [news["told"] for news in told] == sorted({news["told"] for news in told})
    states = [news["state"] for news in told]
    assert [state for at, state in enumerate(states) if state not in states[:at]] == [
        "starting", "running", "stopping", "stopped",
    ]  # fmt: skip


def test_what_a_description_finds_new_is_told_too(heard: Heard) -> None:
    room, name, told = heard
    room.stop(name)
    child = room.children.of(name)
    assert child is not None
    child.process.wait(PATIENCE)
    assert room.described(name)["state"] == "stopped"
    room.look()
    assert [news["state"] for news in told][-2:] == ["stopping", "stopped"]


def test_a_training_that_is_over_before_it_was_looked_at_does_not_begin_any_more(with_run: str, trained: Run) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as ending:
        child = Child(with_run, ("train",), ending, (trained.path / "metrics.jsonl").open("rb"))
        watched = WatchedRun(trained, child)
        watched.look()
        assert watched.summary["state"] == "running"
        resumed = WatchedRun(trained)
        resumed.look()
        assert resumed.summary["state"] == "finished"
        resumed.take(child)
        resumed.look()
        assert resumed.summary["state"] == "starting"


def test_one_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    (tmp_path / "kqv").mkdir()
    (tmp_path / "kqv" / "__init__.py").touch()
    (tmp_path / "kqv" / "__main__.py").write_text(deaf)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    children = Children()
    child = children.start("deaf", [])
    until(lambda: child.last_words() == "deaf")
    children.close(0.2)
    assert child.process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run, whole."""
    path = tmp_path_factory.mktemp("folder") / "digits-1"
    assert train(path, 40).wait(PATIENCE) == 0
    return Run(path)


@pytest.fixture
def with_run(trained: Run, lab_settings: Settings) -> str:
    """The run in the lab's folder."""
    lab_settings.runs.mkdir()
    (lab_settings.runs / trained.path.name).symlink_to(trained.path)
    return trained.path.name


def test_weights_are_those_of_the_file(training: TestClient, with_run: str, trained: Run) -> None:
    found = training.get(f"/api/training/runs/{with_run}/weights").json()
    weights, _ = read_tensors(trained.model_file)
    assert {one["name"]: tuple(one["shape"]) for one in found["tensors"]} == {
        name: tuple(tensor.shape) for name, tensor in weights.items()
    }
    name = "layers.1.weight"
    asked = {"tensor": name}
    picture = training.get(f"/api/training/runs/{with_run}/weights/picture", params=asked)
    assert picture.content == weights[name].numpy().astype("<f4").tobytes()
    answer = training.get(f"/api/training/runs/{with_run}/weights/spread", params=asked)
    spread = np.frombuffer(answer.content, "<f4").reshape(1, -1)
    assert spread[0, 0] == 40
    np.testing.assert_allclose(spread[0, 1:], np.quantile(weights[name].numpy(), found["levels"]), rtol=1e-5)
    missing = training.get(f"/api/training/runs/{with_run}/weights/spread", params={"tensor": "none"})
    assert missing.status_code == 400


def test_verdicts_are_the_models_own(training: TestClient, with_run: str, trained: Run) -> None:
    found = training.get(f"/api/training/runs/{with_run}/looks").json()["looks"][-1]
    shown = found["shown"][3]
    pixels = training.get(f"/api/training/runs/{with_run}/pictures", params={"which": str(shown["picture"])})
    picture = torch.from_numpy(np.frombuffer(pixels.content, "<f4").copy()).reshape(1, *found["shape"]).byte()
    verdict = load_network(trained).classify(picture)[0]
    assert shown["said"] == verdict.label
    assert shown["confidence"] == pytest.approx(verdict.confidence)
    assert len({one["label"] for one in found["shown"][: found["fixed"]]}) == 10
    lines = [json.loads(line) for line in (trained.path / "metrics.jsonl").read_text().splitlines()]
    accuracy = [line["validation_accuracy"] for line in lines if "validation_accuracy" in line][-1]
    assert found["right"] / found["of"] == pytest.approx(accuracy)


def test_a_run_is_described_by_its_recipe(training: TestClient, with_run: str) -> None:
    found = training.get(f"/api/training/runs/{with_run}").json()
    assert found["config"]["fields"]["model.hidden"] == [24]
    assert found["config"]["parameters"] == 64 * 24 + 24 + 24 * 10 + 10
    assert {"loss", "validation_accuracy"} <= set(found["curves"])
    assert found["unit"] == "pictures"
    assert found["examples_per_second"] == pytest.approx(found["steps_per_second"] * 120)


def test_a_damaged_run_says_so_and_hides_no_other(training: TestClient, with_run: str, lab_settings: Settings) -> None:
    (lab_settings.runs / "broken").mkdir()
    (lab_settings.runs / "broken" / "config.json").write_text("{")
    found = {one["name"]: one["state"] for one in training.get("/api/training/runs").json()["runs"]}
    assert found == {"broken": "damaged", with_run: "finished"}


def test_what_is_offered_can_be_asked_of_the_command_line(training: TestClient) -> None:
    from typer.main import get_command

    from kqv.cli.train import app
    from kqv.lab.training.asked import FLAGS

    commands: Any = get_command(app)
    for system in training.get("/api/training/systems").json():
        options = {option for parameter in commands.commands[system["system"]].params for option in parameter.opts}
        assert {FLAGS.get(change, f"--{change}") for change in system["changes"]} <= options
        assert system["recipes"]
