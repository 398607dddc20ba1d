"""Real processes that are killed or stopped, anywhere, and go on: the result is that of one that never was."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STEPS = 150
KILLS = 10
TRAIN = ("train", "digits", "--steps", str(STEPS), "--seed", "7")
EACH_STEP = {"KQV_CHECKPOINT_SECONDS": "0"}  # so that a kill most likely meets a checkpoint being written


def last_step(run: Path) -> int:
    """The last step that the metrics tell of; 0 when there is none."""
    try:
        lines = (run / "metrics.jsonl").read_text().splitlines()
    except OSError:
        return 0
    steps = [json.loads(line)["step"] for line in lines if line.endswith("}")]
    return steps[-1] if steps else 0


def wait_for_step(has_ended: Callable[[], bool], run: Path, step: int) -> None:
    """Until the run has made a step or its process has ended."""
    while not has_ended() and last_step(run) < step:
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training in an interpreter of its own that nothing disturbs."""
    import os
    import sys

    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(
        [sys.executable, "-m", "kqv", *TRAIN, "--out", "run"],
        cwd=folder, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return folder / "run"


def test_a_run_that_is_killed_ten_times_ends_bit_identically(here: Path, whole: Path) -> None:
    """Its processes are forked from this one: eleven interpreters would import for longer than they train."""
    pytest.importorskip("resource", reason="this system cannot fork a process")
    from commands import Command

    moments = random.Random(20)
    run = Path("run")
    words: tuple[str, ...] = (*TRAIN, "--out", str(run))
    killed_at, half_written = [], 0
    for kill in range(1, KILLS + 1):
        begun = Command(words, here, EACH_STEP).begin()
        wait_for_step(lambda one=begun: one.has_ended, run, STEPS * kill // (KILLS + 2) + moments.randrange(-4, 4))
        time.sleep(moments.uniform(0, 0.05))
        begun.send(signal.SIGKILL)
        assert begun.ended().status == -signal.SIGKILL, "it has to be killed before it ends"
        assert (run / "checkpoint.safetensors").is_file()
        killed_at.append(last_step(run))
        half_written += bool(list(run.glob(".*")))
        words = ("train", "digits", "--resume", str(run))
    assert all(0 < step < STEPS for step in killed_at)
    assert len(set(killed_at)) == KILLS
    assert half_written > 0, "at least one kill has to meet a file that is being written"
    ended = Command(words, here).begin().ended()
    assert ended.status == 0, ended.err
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    measured = [
        [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]
        for lines in ((path / "metrics.jsonl").read_text().splitlines() for path in (run, whole))
    ]
    assert measured[0] == measured[1]


def test_ctrl_c_says_how_to_resume(process: Callable[..., Any], whole: Path) -> None:
    run = Path("runs/digits-1")
    begun = process(*TRAIN)
    wait_for_step(lambda: begun.poll() is not None, run, 20)
    begun.send_signal(signal.SIGINT)
    out, err = begun.communicate(timeout=120)
    assert begun.returncode == 130
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("stopped at step ")
    assert last.endswith(f"everything is saved in {run}; resume with: kqv train digits --resume {run}")
    assert "Traceback" not in err
    command = last.rpartition("resume with: kqv ")[2].split()
    begun = process(*command, "--json")
    out, err = begun.communicate(timeout=120)
    assert json.loads(out)["steps"] == STEPS
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_another_run_that_took_the_path_is_left_alone(process: Callable[..., Any], whole: Path) -> None:
    """`mv r moved; cp -r other r` while r is trained: it ends in `moved`, and says so."""
    begun = process(*TRAIN, "--out", "r", **EACH_STEP)
    run, moved = Path("r"), Path("moved")
    wait_for_step(lambda: begun.poll() is not None, run, 20)
    run.rename(moved)
    shutil.copytree(whole, run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    begun.send_signal(signal.SIGTERM)
    out, err = begun.communicate(timeout=120)
    assert (begun.returncode, out) == (1, "")
    assert f"r was moved to {moved.resolve()} while it was trained" in err.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    command = err.splitlines()[-1].rpartition("is saved there: kqv ")[2].split()
    begun = process(*command)
    assert begun.wait(120) == 0
    assert (moved / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
