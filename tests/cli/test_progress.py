"""The progress display, on a terminal and in a pipe."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from kqv.cli.progress import TrainingDisplay, _short


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


def test_rates_are_short() -> None:
    numbers = (0.4, 7, 523, 999, 1000, 9994, 12_345, 123_456, 999_499, 1_400_000)
    assert [_short(number) for number in numbers] == [
        "0", "7", "523", "999", "1.00k", "9.99k", "12.3k", "123k", "999k", "1.40M",
    ]  # fmt: skip
