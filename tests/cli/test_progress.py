"""The progress display, on a terminal and in a pipe."""

from __future__ import annotations

import io
import itertools
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from kqv.cli.progress import TrainingDisplay, _short
from kqv.training.flops import matrix_product_peak


def shown(columns: int, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=terminal, width=columns, highlight=False, soft_wrap=True, color_system=None
    )
    display = TrainingDisplay(console=console)
    with display:
        display.started(100, 7820)
        display.stepped(2345, 0.03123, 123_456.0)
        display.evaluated(2345, {"loss": 0.0712, "accuracy": 0.9812})
        display.stepped(2350, 0.0301, 123_456.0)
        display.bar.refresh()
    return stream.getvalue()


@pytest.mark.parametrize("columns", [80, 120])
def test_the_bar_shows_everything_in_one_line(columns: int) -> None:
    line = re.split(r"\x1b\[[^m]*?[A-Zl]|\r|\n", shown(columns, terminal=True))
    lines = [part for part in line if "2350" in part]
    assert lines
    for words in ("2350/7820", "left", "loss 0.0301", "accuracy 98.12 %", "123k pictures/s", "━"):
        assert words in lines[-1]
    assert len(lines[-1]) <= columns


def test_in_a_pipe_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(80, terminal=False)
    assert text == "step 2,345 of 7,820: validation loss 0.0712, accuracy 98.12 %\n"


def test_the_share_of_the_peak_and_a_sample_stand_at_the_bar() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, highlight=False, color_system=None)
    display = TrainingDisplay(unit="tokens", console=console)
    display.compare_with_peak(operations=2e6, peak=250e9)
    assert "multiplies matrices at 250 GFLOP/s" in stream.getvalue().replace("k GFLOP", " GFLOP")
    with display:
        display.started(0, 10)
        display.stepped(5, 2.5, 50_000.0)
        display.sampled(5, "\n[red]one\n\n  two\nthree\n")
        display.bar.refresh()
    assert "50.0k tokens/s  40 % of peak" in stream.getvalue()  # 2e6 · 50,000 / 250e9
    assert "  [red]one" in stream.getvalue()
    assert "    two" in stream.getvalue()
    assert "three" not in stream.getvalue(), "two lines are enough"


def test_a_clock_that_stood_still_while_the_peak_was_measured_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    display = TrainingDisplay(console=Console(file=io.StringIO(), width=100))
    display.compare_with_peak(operations=2e6, peak=0.0)
    display.stepped(5, 2.5, 50_000.0)
    later = itertools.count(0.0, 5.0)  # each look at the clock is five seconds after the one before
    monkeypatch.setattr("kqv.training.flops.time.perf_counter", lambda: next(later))
    monkeypatch.setattr("kqv.training.flops.CPU_SIZE", 8)
    assert matrix_product_peak(torch.device("cpu")) == 2 * 8**3 / 5.0


def test_the_sample_that_is_scored_is_named() -> None:
    """Of a trainer with a sample; one that scores all needs no word."""
    for held_out, at_the_end, said in (
        (500, False, "a fixed sample of 200 of the 500 held-out tokens; all of them by: kqv evaluate runs/x"),
        (500, True, "a fixed sample of 200 of the 500 held-out tokens; all of them at the end"),
        (200, False, ""),
    ):
        task = SimpleNamespace(
            evaluated=200, held_out=held_out, ends_with_all=lambda steps, all=at_the_end: all,
            evaluate_less=lambda examples: None, evaluate_all=lambda advance: {},
        )  # fmt: skip
        stream = io.StringIO()
        trainer: Any = SimpleNamespace(task=task, steps=10, run=SimpleNamespace(path="runs/x"))
        TrainingDisplay(console=Console(file=stream, width=200)).sample_of(trainer)
        assert stream.getvalue().strip().removeprefix("validation loss: of ") == said


def test_in_a_pipe_a_sample_comes_with_the_scores_alone() -> None:
    stream = io.StringIO()
    display = TrainingDisplay(console=Console(file=stream, width=100))
    with display:
        display.started(0, 100)
        display.evaluated(1, {"loss": 1.0})
        display.sampled(1, "early")
        display.evaluated(10, {"loss": 0.5})
        display.sampled(10, "later")
    assert stream.getvalue() == "step 10 of 100: validation loss 0.5000\n  later\n"


def test_rates_are_short() -> None:
    numbers = (0.4, 7, 523, 999, 1000, 9994, 12_345, 123_456, 999_499, 1_400_000)
    assert [_short(number) for number in numbers] == [
        "0", "7", "523", "999", "1.00k", "9.99k", "12.3k", "123k", "999k", "1.40M",
    ]  # fmt: skip
