"""`kqv runs`: what was trained here, in a table that fits a terminal and cuts no name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.cli import console as consoles
from kqv.cli.runs import _time
from kqv.training.held import held
from kqv.training.run import Run

Kqv = Callable[..., Any]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setattr(consoles.console, "_width", 80)


def test_no_run_yet(kqv: Kqv) -> None:
    shown = kqv("runs")
    assert shown.status == 0
    commands = "kqv train digits, kqv train translate or kqv train gpt"
    assert " ".join(shown.out.split()) == f"There is no run in runs; make one with: {commands}"
    assert kqv("runs", "--json").json == {"runs": []}


def test_the_table_fits_and_cuts_no_name(kqv: Kqv, run: Path, narrow: None) -> None:
    name = Path("runs/digits-mnist-my-experiment-12")
    shutil.copytree(run, name)
    lines = kqv("runs").out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    accuracy = Run(run).metrics()[-1]["validation_accuracy"]
    for path in (run, name):
        row = next(line for line in lines if line.startswith(f"{path} "))
        assert row.endswith("finished")
        assert f"{100 * accuracy:.2f} %" in row


BAD_LINES = [
    '{"step": 60, "seconds": 1e999}', '{"step": 60, "seconds": Infinity}', '{"step": 60, "validation_loss": NaN}',
    f'{{"step": 60, "seconds": 1{"0" * 400}}}', '{"step": 60, "seconds": 1e300}', '{"step": 60, "seconds": -1}',
    '{"step": 60, "validation_accuracy": "high"}', '{"step": 60, "validation_accuracy": true}',
    '{"step": true, "validation_accuracy": 0.5}', '{"step": -3, "validation_accuracy": 0.5}',
    '{"step": 1e999, "validation_accuracy": 0.5}', "[60]", "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda line: line[:40])
def test_a_bad_line_of_one_run_hides_no_run(bad: str, kqv: Kqv, run: Path) -> None:
    shutil.copytree(run, "runs/other")
    before = kqv("runs"), kqv("runs", "--json")
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(bad + "\n")
    assert (kqv("runs"), kqv("runs", "--json")) == before


def test_a_configuration_with_numbers_that_are_none_is_damaged_and_hides_no_run(kqv: Kqv, run: Path) -> None:
    shutil.copytree(run, "runs/other")
    text = (run / "config.json").read_text()
    for number in ("1e999", "NaN", "-Infinity"):
        (run / "config.json").write_text(text.replace('"learning_rate": 0.01', f'"learning_rate": {number}'))
        states = {row["run"]: row["state"] for row in kqv("runs", "--json").json["runs"]}
        assert states == {str(run): "damaged", "runs/other": "finished"}
        assert f"the number {number} is infinite or NaN" in kqv("evaluate", run).problem


def test_stopped_and_training_runs(kqv: Kqv, run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["training"]["steps"] = 1000
    (run / "config.json").write_text(json.dumps(config))
    shown = kqv("runs")
    assert "60/1,000" in shown.out
    assert shown.out.splitlines()[1].endswith("stopped")
    assert shown.out.splitlines()[-1] == f"To resume one that stopped: kqv train digits --resume {run}"
    with held(Run(run)):
        assert kqv("runs", "--json").json["runs"][0]["state"] == "training"


def test_a_killed_run_stands_where_its_checkpoint_does(kqv: Kqv, run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 75, "loss": 1.0, "seconds": 2.0}\n')
    assert kqv("runs", "--json").json["runs"][0]["step"] == 60


def test_times_are_said_as_people_say_them() -> None:
    assert [_time(seconds) for seconds in (0.04, 9.96, 59.6, 61, 3599.6, 3723)] == [
        "0.0 s", "10.0 s", "59.6 s", "1:01", "1:00:00", "1:02:03",
    ]  # fmt: skip
