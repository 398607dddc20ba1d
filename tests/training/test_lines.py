"""Lines of measurements: read one after the other, however many, and thinned out evenly for a figure."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from kqv.training.lines import LONGEST, Line, measurement, records, thinned, written
from kqv.training.run import METRICS, MOST_THREADS, Config, Run


def test_lines_that_say_nothing_sound_are_passed_over() -> None:
    good = written({"step": 1, "loss": 2.0}).encode()
    long = b'{"step": 2, "x": ' + b"1" * (3 * LONGEST) + b"}\n"
    content = good + b"\xff\xfe\n[]\n\n" + b"[" * 100_000 + b"\n" + long + good + good[: len(good) // 2]
    assert list(records(io.BytesIO(content), measurement)) == [{"step": 1, "loss": 2.0}] * 2


def test_one_line_is_held_at_a_time() -> None:
    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1) -> bytes:  # type: ignore[override]
            return b'{"step": 1}\n'

    found = records(Endless(), measurement)  # type: ignore[arg-type]
    assert [next(found)["step"] for _ in range(3)] == [1, 1, 1]


def _training(steps: int) -> Iterator[Line]:
    for step in range(1, steps + 1):
        yield {"step": step, "loss": 1.0}
        if step % 100 == 0:
            yield {"step": step, "validation_loss": 2.0}


def test_many_lines_are_thinned_out_by_what_they_measure() -> None:
    found = thinned(_training(1000), 50)
    losses, scores = ([line["step"] for line in found if name in line] for name in ("loss", "validation_loss"))
    assert scores == list(range(100, 1001, 100))
    assert len(losses) <= 51
    assert (losses[0], losses[-1]) == (1, 1000)
    assert {after - before for before, after in pairwise(losses[:-1])} == {32}
    assert [line["step"] for line in found] == sorted(line["step"] for line in found)
    assert thinned(_training(40), 50) == list(_training(40))


def test_a_run_cannot_ask_for_a_hundred_thousand_threads() -> None:
    with pytest.raises(ValidationError, match="threads"):
        Config.model_validate({"threads": MOST_THREADS + 1})


def test_a_run_of_millions_of_measurements_is_described_in_little_memory(tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / METRICS).write_text(written({"step": 7, "loss": 1.0}) * 50_000, encoding="utf-8")
    tracemalloc.start()
    try:
        assert sum(line["step"] for line in run.each_measurement()) == 7 * 50_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
