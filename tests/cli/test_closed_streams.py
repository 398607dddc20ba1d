"""Commands whose standard output or error is closed (`kqv runs >&-`): they do their work, or end as they always do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kqv.training.run import Run

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell to close streams")

CLOSED = [">&-", "<&- >&- 2>&-"]


def ended(words: str, closed: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        ["sh", "-c", f"{sys.executable} -m kqv {words} {closed}"], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root},
    )  # fmt: skip


@pytest.mark.parametrize("closed", CLOSED)
def test_a_training_trains(closed: str, here: Path) -> None:
    done = ended("train digits --steps 20 --out one", closed)
    assert (done.returncode, done.stdout if ">&-" in closed.split() else "") == (0, "")
    assert Run(Path("one")).metrics()[-1]["step"] == 20
    if closed == ">&-":
        assert "saved in one" in done.stderr
    files = {path.name for path in Path("one").iterdir()}
    assert files == {"config.json", "classes.json", "model.safetensors", "checkpoint.safetensors", "metrics.jsonl"}


def test_what_only_prints_ends_well(run: Path) -> None:
    for words in ("runs", f"trace {run}"):
        assert ended(words, ">&- 2>&-").returncode == 0, words


def test_an_error_without_standard_error_keeps_its_status(here: Path) -> None:
    assert ended("evaluate nothing", "2>&-").returncode == 1


def test_output_that_nobody_reads_any_more_ends_no_training(here: Path) -> None:
    """Standard error goes to a program that reads one line and leaves."""
    done = ended("train digits --steps 300 --out one", "2>&1 >/dev/null | head -n 1")
    assert "digits8x8" in done.stdout
    assert Run(Path("one")).metrics()[-1]["step"] == 300


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_notices_onto_a_full_disk_end_no_training(here: Path) -> None:
    done = ended("train digits --steps 20 --out one", "2>/dev/full")
    assert done.returncode == 0
    assert "Trained 20 steps" in done.stdout
