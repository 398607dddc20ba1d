"""What users give by mistake: one line on standard error that says what to do, and nothing is lost."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kqv import tensors
from kqv.data.sources import SOURCES

Kqv = Callable[..., Any]

WORDS = {
    "unknown command": (["frobnicate"], 2, "frobnicate"),
    "unknown system": (["train", "cats"], 2, "cats"),
    "unknown option": (["train", "digits", "--frob"], 2, "--frob"),
    "missing argument": (["evaluate"], 2, "MODEL"),
    "missing picture": (["classify", "latest"], 2, "PICTURE"),
    "option without its value": (["train", "digits", "--seed"], 2, "--seed"),
    "negative seed": (["train", "digits", "--seed", "-1"], 2, "--seed"),
    "seed that is no number": (["train", "digits", "--seed", "x"], 2, "--seed"),
    "seed too large": (["train", "digits", "--seed", str(2**63)], 1, "seed: input should be less than"),
    "negative steps": (["train", "digits", "--steps", "-5"], 2, "--steps"),
    "no steps": (["train", "digits", "--steps", "0"], 2, "--steps"),
    "negative minutes": (["train", "digits", "--minutes=-1"], 2, "--minutes': give a number above 0"),
    "minutes that are no number": (["train", "digits", "--minutes", "nan"], 2, "--minutes': give a number above 0"),
    "steps and minutes": (["train", "digits", "--steps", "5", "--minutes", "1"], 1, "give one of them"),
    "unknown recipe": (["train", "digits", "--recipe", "cake"], 1, "choose one of: digits, article, nielsen"),
    "unknown device": (["train", "digits", "--device", "abacus"], 1, "choose one of: auto, cpu, cuda, mps"),
    "unknown data": (["train", "digits", "--data", "nowhere"], 1, "give digits8x8, mnist or the path"),
    "text as pictures": (["train", "digits", "--data", "shakespeare"], 1, "has no labelled pictures"),
    "unknown run": (["train", "digits", "--resume", "nowhere"], 1, "there is no run 'nowhere'"),
    "unknown run to start from": (["train", "digits", "--from", "nowhere"], 1, "there is no run 'nowhere'"),
    "resume with a recipe": (
        ["train", "digits", "--resume", "x", "--recipe", "nielsen"],
        1,
        "--resume keeps the recipe",
    ),
    "resume with a seed": (["train", "digits", "--resume", "x", "--seed", "3"], 1, "--resume keeps the recipe"),
    "unknown run to evaluate": (["evaluate", "nowhere"], 1, "kqv train digits"),
    "no run yet": (["evaluate", "latest"], 1, "there is no run yet; make one with: kqv train digits"),
    "impossible name": (["evaluate", "x" * 5000], 1, "there is no run"),
    "name with a zero byte": (["evaluate", "a\0b"], 1, "there is no run"),
    "unknown split": (["evaluate", "latest", "--split", "half"], 2, "--split"),
    "folder of runs that is none": (["runs", "nowhere"], 1, "there is no folder nowhere"),
    "unknown source": (["data", "fetch", "cats"], 1, "no data source is called 'cats'"),
}


@pytest.mark.parametrize("case", WORDS)
def test_words(case: str, kqv: Kqv, here: Path) -> None:
    words, status, message = WORDS[case]
    done = kqv(*words)
    assert done.status == status
    assert message in done.problem
    assert not list(here.iterdir()), "nothing is made for what cannot be"


def test_a_device_that_is_not_there(kqv: Kqv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = kqv("train", "digits", "--device", "cuda").problem
    assert "this machine has no cuda device that PyTorch can use; choose --device auto or cpu" in said


@pytest.mark.parametrize("value", ["often", "-1", "nan", ""])
def test_checkpoint_seconds(value: str, kqv: Kqv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KQV_CHECKPOINT_SECONDS", value)
    assert "KQV_CHECKPOINT_SECONDS needs a number of seconds from 0 up" in kqv("train", "digits").problem


def picture_of(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


PICTURES = {
    "missing": (lambda path: None, "cannot be read"),
    "empty file": (picture_of(b""), "not a readable picture"),
    "a text": (picture_of(b"I am a seven"), "is not a readable picture"),
    "half a picture": (lambda path: path.write_bytes(Path("digit.png").read_bytes()[:60]), "damaged"),
    "a folder": (Path.mkdir, "is a folder; give the picture files in it"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_that_are_none(case: str, kqv: Kqv, run: Path, picture: Path) -> None:
    make, message = PICTURES[case]
    make(Path("bad.png"))
    said = kqv("classify", run, picture, "bad.png").problem
    assert "bad.png" in said
    assert message in said


def test_folders_that_are_no_data(kqv: Kqv, run: Path, picture: Path) -> None:
    Path("empty").mkdir()
    Path("one", "only").mkdir(parents=True)
    shutil.copy(picture, "one/only/a.png")
    for folder in ("empty", "one", "digit.png"):
        assert folder in kqv("train", "digits", "--data", folder).problem
        assert folder in kqv("evaluate", run, "--data", folder).problem
    assert sorted(path.name for path in Path("runs").iterdir()) == ["digits-1"]


def test_data_with_other_classes(kqv: Kqv, run: Path, picture: Path) -> None:
    for name in ("cat", "dog"):
        Path("pets", name).mkdir(parents=True)
        for number in range(3):
            shutil.copy(picture, f"pets/{name}/{number}.png")
    said = kqv("evaluate", run, "--data", "pets").problem
    assert "the data has cat, dog: give data with the same classes" in said
    assert "as many classes" in kqv("train", "digits", "--from", run, "--data", "pets").problem


@pytest.mark.parametrize("damage", ["truncated", "altered", "compressed and cut"])
def test_damaged_data_files(damage: str, kqv: Kqv, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the user's own folder is never replaced; the error names it."""
    folder = here / "data" / SOURCES["mnist"].folder
    folder.mkdir(parents=True)
    for file in SOURCES["mnist"].files:
        content = bytes(file.size)  # as long as it should be
        if damage == "truncated":
            content = content[:-100]
        if damage == "compressed and cut":
            content = gzip.compress(content)[:50]
        (folder / file.name).write_bytes(content)
    monkeypatch.setenv("KQV_DATA", str(here / "data"))
    before = {path: path.stat() for path in folder.iterdir()}
    said = kqv("train", "digits", "--data", "mnist").problem
    assert str(folder) in said
    assert "is truncated or altered" in said
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == {
        path: found.st_mtime_ns for path, found in before.items()
    }
    assert not (here / "runs").exists()


def test_out_where_something_stands(kqv: Kqv, run: Path, picture: Path) -> None:
    before = {path: path.read_bytes() for path in run.iterdir()}
    said = kqv("train", "digits", "--out", run).problem
    assert f"{run} is not empty; choose another --out, or resume the run in it: --resume {run}" in said
    assert "is a file; choose another --out" in kqv("train", "digits", "--out", picture).problem
    assert "a part of the path is a file" in kqv("train", "digits", "--out", picture / "run").problem
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_positions_that_nobody_can_write_to(kqv: Kqv, here: Path) -> None:
    assert "cannot make the folder /proc/run" in kqv("train", "digits", "--out", "/proc/run").problem
    (here / "runs").write_text("not a folder")
    assert "cannot make the folder runs: a file of that name stands there" in kqv("train", "digits").problem


def test_a_read_only_disk(kqv: Kqv, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    said = kqv("train", "digits").problem
    assert "cannot make the folder runs: the disk is read-only; choose another location" in said


def test_a_run_that_was_killed_while_it_was_made(kqv: Kqv, run: Path) -> None:
    """config.json comes last, so without it the rest may be half."""
    (run / "config.json").unlink()
    for words in (["evaluate", run], ["train", "digits", "--resume", run], ["train", "digits", "--from", run]):
        assert "config.json is missing" in kqv(*words).problem


@pytest.mark.parametrize("name", ["config.json", "classes.json", "model.safetensors", "checkpoint.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\x00garbage" * 50])
def test_a_damaged_run(name: str, content: bytes, kqv: Kqv, run: Path, picture: Path) -> None:
    """In one line, whichever command meets it; `runs` lists the others all the same."""
    shutil.copytree(run, "runs/whole")
    (run / name).write_bytes(content)
    before = {path: path.read_bytes() for path in run.iterdir()}
    commands = {
        "classes.json": [["evaluate", run], ["classify", run, picture]],
        "model.safetensors": [["evaluate", run], ["classify", run, picture], ["train", "digits", "--from", run]],
        "checkpoint.safetensors": [["train", "digits", "--resume", run]],
    }
    commands["config.json"] = [words for all_words in commands.values() for words in all_words]
    for words in commands[name]:
        assert str(run / name) in kqv(*words).problem
    listed = {row["run"]: row for row in kqv("runs", "--json").json["runs"]}
    assert listed["runs/whole"]["state"] == "finished"
    if name in ("config.json", "checkpoint.safetensors"):
        assert listed[str(run)]["state"] == "damaged"
        assert str(run / name) in listed[str(run)]["problem"]
        assert f"{run}: {run / name}" in kqv("runs").out
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_memory_that_is_not_enough(kqv: Kqv, small_recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = small_recipe.model_copy(update={"model": small_recipe.model.model_copy(update={"hidden": (10**13,)})})
    monkeypatch.setattr("kqv.systems.digits.recipes.digits", lambda: huge)
    said = kqv("train", "digits").problem
    assert "not enough memory: close other programs, or take a smaller recipe or less data" in said
    assert not list(Path("runs").iterdir()), "nothing is left of it"


def test_output_to_a_full_disk(here: Path) -> None:
    """Python would complain about its buffer once more when it ends."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "kqv", "runs", "--json"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "error: cannot write the output: the disk is full; free some space\n")


@pytest.fixture
def little_disk(here: Path) -> Iterator[Callable[[int], Path]]:
    """A function that mounts a disk of so many bytes, or makes it larger; skips where only root may."""
    position = here / "disk"
    mounted = []

    def mount(size: int) -> Path:
        position.mkdir(exist_ok=True)
        how = f"{'remount,' if mounted else ''}size={size}"
        words = ["mount", "-t", "tmpfs", "-o", how, "kqv-test", str(position)]
        if os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("disks can be mounted by root only")
        mounted.append(position)
        return position

    yield mount
    if mounted:
        subprocess.run(["umount", str(position)], check=True)


def test_a_full_disk(
    kqv: Kqv, small_recipe: Any, little_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint fits, and the first with the optimizer's moments does not; with more room it goes on."""
    wide = small_recipe.model_copy(update={"model": small_recipe.model.model_copy(update={"hidden": (512,)})})
    monkeypatch.setattr("kqv.systems.digits.recipes.digits", lambda: wide)
    assert kqv("train", "digits", "--out", "whole").status == 0
    weights = Path("whole/model.safetensors").stat().st_size
    random = Path("whole/checkpoint.safetensors").stat().st_size - 3 * weights
    pages = 4096 * 16
    assert weights > pages
    position = little_disk(3 * weights + 2 * random + pages) / "run"
    monkeypatch.setenv("KQV_CHECKPOINT_SECONDS", "0")
    done = kqv("train", "digits", "--out", position)
    assert done.status == 1
    said = done.err.splitlines()[-1]
    assert "the disk is full; free some space; what was there before is kept; the state of step" in said
    assert said.endswith(f"resume with: kqv train digits --resume {position}")
    assert kqv("evaluate", position).status == 0
    little_disk(10 * (weights + random + pages))
    assert kqv("train", "digits", "--resume", position).status == 0
    assert (position / "model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


def test_a_disk_that_is_full_from_the_start(kqv: Kqv, small: None, little_disk: Callable[[int], Path]) -> None:
    position = little_disk(4096 * 2)
    assert "the disk is full; free some space" in kqv("train", "digits", "--out", position / "run").problem
    assert not list(position.iterdir())


def test_a_full_disk_for_who_is_not_root(kqv: Kqv, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    save, saves = tensors.write_to, []

    def refuse_later(*given: Any, **options: Any) -> None:
        saves.append(given)
        if len(saves) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*given, **options)

    monkeypatch.setenv("KQV_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(tensors, "write_to", refuse_later)
    said = kqv("train", "digits", "--out", "one").err.splitlines()[-1]
    assert "the disk is full; free some space" in said
    assert said.endswith("the state of step 5 is kept in one; resume with: kqv train digits --resume one")
    monkeypatch.undo()
