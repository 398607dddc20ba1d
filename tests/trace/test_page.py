"""The page: self-contained, escaped, and every number on it an element of a recorded tensor."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import needs_browser, report_of
from small_gpt import PLACES, Traced

from kqv.arithmetic import number
from kqv.operations import scale
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.page import page_html, write_html
from kqv.trace.views.page.numbers import cap, kept_sizes, numbers


def embedded(html: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert match is not None
    content: dict[str, Any] = json.loads(match[1])
    return content


def decoded(part: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(part["data"]), dtype="<f4").reshape(part["kept"])


@pytest.fixture(scope="module")
def html(traced: Traced) -> str:
    return page_html(traced.trace, command="kqv trace runs/x", cells=400)


def test_every_picture_is_a_recorded_tensor(traced: Traced, html: str) -> None:
    tensors = {tensor["name"]: tensor for tensor in embedded(html)["tensors"]}
    assert set(tensors) == {record.name for record in traced.trace}
    for record in traced.trace:
        shown = tensors[record.name]
        assert np.array_equal(decoded(shown["value"]), record.value.float().numpy()), record.name
        gradient = record.gradient
        assert (shown["gradient"] is None) == (gradient is None)
        if gradient is not None:
            assert np.array_equal(decoded(shown["gradient"]), gradient.float().numpy()), record.name
        if record.name in traced.trace.updates:
            after = traced.trace.updates[record.name].after
            assert np.array_equal(decoded(shown["update"]), after.numpy())


def test_a_page_that_holds_all_numbers_needs_no_stored_explanation(html: str) -> None:
    assert embedded(html)["cells"] == {}


def test_where_tensors_are_cut_some_explanations_are_stored(traced: Traced) -> None:
    trace, content = traced.trace, embedded(page_html(traced.trace, cells=50, elements=16))
    words = {"−∞": -np.inf, "∞": np.inf}
    assert 50 <= len(content["cells"]) <= 100
    for text, cell in content["cells"].items():
        assert words.get(cell["value"], cell["value"]) == trace.value(trace.read(text)), text
        assert cell["agrees"], text
        for part in [cell, *cell["parts"]]:
            for source in part["from"]:
                assert words.get(source["value"], source["value"]) == trace.value(trace.read(source["cell"])), source


def test_summaries_are_those_of_the_tensors(traced: Traced, html: str) -> None:
    for tensor in embedded(html)["tensors"]:
        value = traced.trace[tensor["name"]].value
        finite = value[value.isfinite()] if value.is_floating_point() else value
        assert tensor["summary"]["minimum"] == float(finite.min())
        assert tensor["summary"]["maximum"] == float(finite.max())


CHAINS = """
function sourcesOf(cell) {
  const { tensor, phase, index } = readCell(cell);
  const { told } = workOut(tensor, phase, index);
  return [told, ...told.parts].flatMap((piece) => [...piece.from, ...piece["chosen by"]].map(({ cell }) => cell));
}
/** All cells that can be reached by clicking on sources, on gradients first. */
function chain(start) {
  const seen = new Set();
  const waiting = [start];
  while (waiting.length && seen.size < 2000) {
    const cell = waiting.pop();
    if (seen.has(cell)) continue;
    seen.add(cell);
    if (readCell(cell)) waiting.push(...sourcesOf(cell).sort((a, b) => a.startsWith("grad:") - b.startsWith("grad:")));
  }
  return [...seen];
}
const starts = DATA.starts.map(({ cell }) => cell);
finish({ starts, chains: starts.map(chain) });
"""


@needs_browser
def test_from_the_loss_one_can_click_back_to_the_tokens(html: str, tmp_path: Path) -> None:
    report, _ = report_of(html, CHAINS, tmp_path)
    starts, chains = report["starts"], dict(zip(report["starts"], report["chains"], strict=True))
    assert any(cell.startswith("ids[") for cell in chains["loss"])
    gradient = next(cell for cell in starts if cell.startswith("grad:"))
    assert "grad:loss" in chains[gradient]
    assert any(cell.startswith("update:") for cell in starts)


def test_the_page_needs_nothing_else(html: str) -> None:
    without_data = re.sub(r'id="data">.*?</script>', "", html, flags=re.DOTALL)
    assert not re.search(r"(src|href)=[\"'](?!#)", without_data)
    assert "http" not in without_data
    assert "@import" not in without_data
    assert "url(" not in without_data


def test_what_comes_from_outside_cannot_end_the_data() -> None:
    evil = "</script><img src=x onerror=alert(1)><!--\u2028"
    with Trace() as trace:
        note("x", scale(torch.ones(2), factor=2.0), "in")
    trace.annotate("x", labels=[evil, evil], text=evil)
    html = page_html(trace, command=evil)
    assert evil not in html
    assert "onerror=alert(1)>" not in html.replace("\\u003c", "<").split("</script>")[0].split('id="data"')[0]
    assert html.count("</script>") == 2
    assert embedded(html)["command"] == evil
    assert embedded(html)["tensors"][0]["labels"] == [evil, evil] or embedded(html)["tensors"][1]["labels"] == [
        evil,
        evil,
    ]


def test_large_tensors_are_cut_and_say_so() -> None:
    with Trace() as trace:
        x = note("x", torch.randn(3, 500, 40), "batch out in")
        note("y", scale(x, factor=2.0), "batch out in")
    content = embedded(page_html(trace, elements=1000))
    y = next(tensor for tensor in content["tensors"] if tensor["name"] == "y")
    kept = y["value"]["kept"]
    assert y["sizes"] == [3, 500, 40]
    assert np.prod(kept) <= 1000
    corner = tuple(slice(size) for size in kept)
    assert np.array_equal(decoded(y["value"]), trace["y"].value[corner].numpy())


@pytest.mark.parametrize("sizes", [(), (7,), (100_000,), (50_257, 768), (2, 12, 1024, 1024), (0, 3), (1, 1, 70_000)])
def test_kept_sizes_fit(sizes: tuple[int, ...]) -> None:
    kept = kept_sizes(sizes, 4096)
    assert int(np.prod(kept)) <= 4096
    assert all(part <= size for part, size in zip(kept, sizes, strict=True))
    if sizes and np.prod(sizes) > 4096:
        assert np.prod(kept) > 1000  # not needlessly small
    else:
        assert kept == sizes


@pytest.mark.parametrize("sizes", [[], [10], [10, 2000, 300], [5000] * 40])
def test_a_cap_fills_the_room(sizes: list[int]) -> None:
    most = cap(sizes, 3000, 65_536, least=8)
    kept = sum(min(size, most) for size in sizes)
    assert kept <= 3000 or most == 8
    assert most >= max(sizes, default=0) or sum(min(size, most + 1) for size in sizes) > 3000


def test_chosen_positions_are_kept() -> None:
    tensor = torch.arange(24.0).reshape(2, 3, 4)
    stored = numbers(tensor, 100, {2: [1, 3], 0: range(2)})
    assert stored["at"] == {"2": [1, 3]}
    assert np.array_equal(decoded(stored), tensor[:, :, [1, 3]].numpy())
    cut = numbers(tensor, 3, {2: [1, 3]})
    assert decoded(cut).size <= 3
    assert len(cut["at"]["2"]) == cut["kept"][2]


def test_all_kinds_of_tensors_are_stored() -> None:
    for tensor in (torch.tensor([True, False]), torch.tensor(3), torch.ones(2, dtype=torch.bfloat16), torch.zeros(0)):
        assert np.array_equal(decoded(numbers(tensor, 100)), tensor.float().numpy())


def test_writing_is_atomic_and_makes_the_folder(tmp_path: Path, traced: Traced) -> None:
    path = write_html(traced.trace, tmp_path / "a" / "page.html", cells=20)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [entry.name for entry in path.parent.iterdir()] == ["page.html"]


SCRIPT = """
const report = { errors: [], cells: 0, maps: 0 };
try {
  for (const entry of cards.values()) { entry.fill(); for (const map of entry.maps) { map.draw(); report.maps += 1; } }
  const shown = [];
  for (const tensor of DATA.tensors) {
    const numbers = numbersOf(tensor, "forward");
    const index = tensor.sizes.map((size) => size - 1);
    shown.push([numbers.cell(index), numbers.at(index)]);
    inspect(numbers.cell(index));
    report.cells += 1;
  }
  report.shown = shown;
  const first = cards.values().next().value.maps[0];
  first.canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  report.pointed = first.output.textContent;
  report.formats = [0.123456789, -1234567, 1e-7, 100, 0.00001234, -0.5, 123456.4].map(number);
} catch (error) { report.errors.push(String(error.stack)); }
finish(report);
"""


@needs_browser
def test_the_script_runs_and_shows_recorded_numbers(traced: Traced, html: str, tmp_path: Path) -> None:
    report, dump = report_of(html, SCRIPT, tmp_path)
    assert report["errors"] == []
    assert report["cells"] == len(embedded(html)["tensors"])
    assert report["maps"] > 100
    for cell, value in report["shown"]:
        recorded = np.float32(traced.trace.value(traced.trace.read(cell)))
        assert (value is None and not np.isfinite(recorded)) or np.float32(value) == recorded, cell
    assert report["pointed"].startswith("ids[batch=0, position=0] = ")
    want = ["0.123457", "−1.23457e+06", "1e−07", "100", "1.234e−05", "−0.5", "123456"]
    assert report["formats"] == want
    assert "batch <b>2</b>" in dump
    assert f"position <b>{PLACES}</b>" in dump


SQUARES = """
let seed = 4321;
const random = (below) => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor((seed / 2147483648) * below);
};
const told = [];
for (const tensor of DATA.tensors) {
  for (const phase of ["forward", "backward", "update"]) {
    const numbers = numbersOf(tensor, phase);
    if (!numbers) continue;
    const index = tensor.sizes.map((size) => random(size));
    inspect(numbers.cell(index));
    const lines = (name) => [...inspector.querySelectorAll(name)].map((element) => element.textContent);
    const [cell, value] = [numbers.cell(index), lines(".value")[0]];
    told.push({ cell, value, shown: lines(".numbers"), checks: lines(".check") });
  }
}
finish({ told });
"""


@needs_browser
def test_random_squares_answer_as_python_does(traced: Traced, html: str, tmp_path: Path) -> None:
    """Of each tensor in each phase one square, drawn in the browser: its value and arithmetic as they stand there."""
    report, _ = report_of(html, SQUARES, tmp_path)
    assert {told["cell"].partition(":")[0] for told in report["told"]} >= {"grad", "update"}
    for told in report["told"]:
        explanation = traced.trace.cell(told["cell"])
        described = explanation.as_dict()
        assert told["value"] == number(explanation.value), told
        for part in described["parts"] or [described]:
            if part["numbers"]:
                wanted = f"{part['numbers']} = "
                assert any(line.startswith(wanted) for line in told["shown"]), (told, part)
            for name, arithmetic in part["where"]:
                assert f"{name} = {arithmetic}" in told["shown"], told
        if explanation.expression is not None:
            assert any(described["check"] in line for line in told["checks"]), (told, described["check"])
        assert not any("disagrees" in line for line in told["checks"]), told
