"""Reading measurements while they are written: what is kept is bounded, whole, and the file's own."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from kqv.lab.training.measurements import MOST, GrowingCurves, Points, newest


def line(step: int, **numbers: float) -> str:
    return json.dumps({"step": step, "seconds": step / 10, **numbers}) + "\n"


def test_a_curve_of_many_points_is_thinned_evenly_and_keeps_its_last() -> None:
    points = Points()
    count = 10 * MOST + 3
    for step in range(count):
        points.add(step, float(step))
    steps, values = points.all()
    assert len(steps) <= MOST + 1
    assert steps[0] == 0
    assert steps[-1] == count - 1
    assert values == [float(step) for step in steps]
    gaps = {b - a for a, b in pairwise(steps[:-1])}
    assert len(gaps) == 1


def test_what_is_added_is_read_and_half_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    curves = GrowingCurves(path)
    curves.read()
    assert curves.curves == {}
    path.write_text(line(1, loss=3.0) + '{"step": 2, "loss"')
    curves.read()
    assert curves.curves["loss"].all() == ([1], [3.0])
    with path.open("a") as file:
        file.write(': 2.5, "seconds": 0.2}\n' + line(2, validation_loss=2.75) + "no measurement\n")
    curves.read()
    assert curves.curves["loss"].all() == ([1, 2], [3.0, 2.5])
    assert curves.curves["validation_loss"].all() == ([2], [2.75])


def test_a_file_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(line(step, loss=1.0 / step) for step in range(1, 9)))
    curves = GrowingCurves(path)
    curves.read()
    other = tmp_path / "other"
    other.write_text("".join(line(step, loss=1.0 / step) for step in range(1, 4)))
    other.replace(path)
    curves.read()
    assert curves.curves["loss"].all()[0] == [1, 2, 3]


def test_the_newest_numbers_and_the_present_speed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert newest(path).steps_per_second is None
    slow = [json.dumps({"step": step, "seconds": 10.0 * step, "loss": 1.0}) + "\n" for step in range(1, 200)]
    fast = [json.dumps({"step": 200 + step, "seconds": 1990 + step / 4, "loss": 0.5}) + "\n" for step in range(100)]
    path.write_text("".join([*slow, *fast]))
    found = newest(path)
    assert (found.step, found.numbers) == (299, {"loss": 0.5})
    assert found.steps_per_second == pytest.approx(4)
