"""The page of a tiny model: every number stands in its square, of all axes at once, and tells its arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from browsing import needs_browser, report_of

from kqv.operations import rms_norm, scale, squared_error
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.page import page_html

SCRIPT = """
const maps = [...cards.values()].flatMap((entry) => entry.maps);
const told = [];
for (const map of maps) {
  for (let row = 0; row < map.layout.rows; row++) {
    for (let column = 0; column < map.layout.columns; column++) {
      map.show(row, column);
      inspect(map.numbers.cell(map.index(row, column)));
      const cell = map.numbers.cell(map.index(row, column));
      const shown = document.getElementById("inspector").textContent;
      told.push([cell, map.numbers.at(map.index(row, column)), shown.includes(cell), /not on this page/.test(shown)]);
    }
  }
}
const drawn = [0.1234, -1.5, 12.34, 0.000123, 3, 0].map(tiny);
const words = maps.find((map) => map.numbers.tensor.name === "x").stackedWords();
finish({ everything: document.body.classList.contains("everything"), told, drawn, words });
"""


def small_trace() -> Trace:
    """Three axes, an operation that the page cannot work out itself, and gradients."""
    torch.manual_seed(1)
    x, weight = torch.randn(1, 2, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    with Trace() as trace:
        y = note("y", rms_norm(note("x", x, "batch head channel"), note("w", weight, "channel")), "batch head channel")
        squared_error(note("z", scale(y, factor=2.0), "batch head channel"), torch.zeros(1, 2, 3)).backward()
    return trace


@needs_browser
def test_every_square_has_its_number_and_tells_its_arithmetic(tmp_path: Path) -> None:
    trace = small_trace()
    report, _ = report_of(page_html(trace, everything=True), SCRIPT, tmp_path)
    assert report["everything"] is True
    cells = [cell for cell, *_ in report["told"]]
    assert len(cells) == len(set(cells))
    for name in ("x", "y", "z"):
        assert sum(cell.startswith(f"{name}[") for cell in cells) == 6
        assert sum(cell.startswith(f"grad:{name}[") for cell in cells) == 6
    for cell, value, is_shown, is_missing in report["told"]:
        assert np.float32(value) == np.float32(trace.value(trace.read(cell)))
        assert is_shown, cell
        assert not is_missing, cell
    assert report["words"] == ["0", "1"]
    assert report["drawn"] == [".123", "−1.50", "12.3", "1e−4", "3", "0"]


def test_other_pages_are_as_before() -> None:
    assert '"everything":false' in page_html(small_trace())
