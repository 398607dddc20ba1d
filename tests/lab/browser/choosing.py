"""Cells of a trace chosen on a page, in the lab or in a notebook: what is shown is what was recorded."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from as_printed import as_printed, unit
from small_trace import trace_of_words

from kqv.lab.settings import Settings
from kqv.lab.traces.tensors import tensor_of
from kqv.trace.cells import Phase
from kqv.trace.trace import Trace

Open = Callable[..., Any]

WEIGHTS = "blocks.0.attention.weights"
PREFIXES: dict[Phase, str] = {"forward": "", "backward": "grad:", "update": "update:"}


class Room:
    """The room of any number, with the trace of seven words."""

    def __init__(self, opened: Open, page: Any, settings: Settings) -> None:
        lab = opened(settings)
        self.page = page
        self.trace: Trace = lab.lab.traces.record(trace_of_words).trace
        self.address = f"{lab.address}#/tensors?trace=1"

    def show(self, tensor: str, phase: Phase = "forward", cell: str = "") -> None:
        """Go to a tensor, or to a cell of it."""
        self.page.goto(f"{self.address}&tensor={tensor}&phase={phase}" + (f"&cell={quote(cell)}" if cell else ""))
        self.page.locator(f'[data-tensor="{tensor}"][data-phase="{phase}"]').wait_for()

    def choose(self, row: int, column: int) -> None:
        """Click on a cell of the tensor that is shown, whether it is drawn or written."""
        written = self.page.locator(f'[data-at="{row},{column}"]')
        drawn = self.page.locator("[data-heat-map] .grid canvas")
        single = self.page.locator("button.single")
        written.or_(drawn).or_(single).first.wait_for()
        if single.count() or written.count():
            (single if single.count() else written).click()
            return
        grid = self.page.locator("[data-heat-map] [role=grid]")
        top, bottom, left, right = (int(edge) for edge in grid.get_attribute("data-window").split(","))
        if row < bottom and column < right:
            box = drawn.bounding_box()
            across, down = (column - left + 0.5) / (right - left), (row - top + 0.5) / (bottom - top)
            drawn.click(position={"x": box["width"] * across, "y": box["height"] * down})
            return
        grid.focus()
        for key in ["Control+Home", *["ArrowDown"] * row, *["ArrowRight"] * column, "Enter"]:
            grid.press(key)

    def shown(self, cell: str) -> Any:
        """The inspector, once it shows a cell."""
        found = self.page.locator(f'[data-inspector="{cell}"]')
        found.locator("h3").wait_for()
        return found


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("−", "-").replace(",", "").replace("∞", "inf"))


def random_cells(room: Room, phase: Phase, count: int, chosen: random.Random) -> Iterator[tuple[str, float]]:
    """Choose so many cells: the number that is shown is the recorded one, and the arithmetic that is shown gives it.
    Gives each with its number while it is shown."""
    having = [
        record
        for record in room.trace.tensors
        if (phase != "update" or record.name in room.trace.updates)
        and (phase != "backward" or record.readable_gradient is not None)
    ]
    for record in chosen.sample(having, count):
        tensor, _ = tensor_of(room.trace, record.name, phase)
        index = [0] * (tensor.dim() - 2) + [chosen.randrange(size) for size in tensor.shape[-2:]]
        cell = f"{PREFIXES[phase]}{record.name}" + (f"[{','.join(map(str, index))}]" if index else "")
        room.show(record.name, phase)
        room.choose(*([0, 0, *index][-2:]))
        inspector = room.shown(cell)
        value = float(tensor[tuple(index)])
        pressed = inspector.locator("[data-phase][aria-pressed=true] .number").inner_text()
        assert number(pressed) == pytest.approx(value, rel=1e-5, abs=1e-30), cell
        for line in inspector.locator("p.numbers:visible").all_inner_texts():
            arithmetic_gives_its_result(line, cell)
        yield cell, value


def arithmetic_gives_its_result(line: str, cell: str) -> None:
    """`0.5·2 + 1 = 2`, and `where max = max(1, 2) = 2`."""
    text = line.removeprefix("where").strip()
    arithmetic, _, result = text.rpartition(" = ")
    if line.startswith("where"):
        arithmetic = arithmetic.partition(" = ")[2]
        result = result.partition(" (and ")[0]
    if "∞" not in result and "NaN" not in result:
        found = as_printed(arithmetic)
        assert abs(found - number(result)) <= 1.01 * unit(result) + 1e-5 * abs(found), f"{cell}: {line}"
