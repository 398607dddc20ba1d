"""Any number in a real browser: what is shown is what was recorded, and its arithmetic gives it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from as_printed import as_printed, unit
from small_trace import WORDS, trace_of_words
from test_accessibility import AXE, violations

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


@pytest.fixture
def room(opened: Open, noted: Any, lab_settings: Settings) -> Room:
    return Room(opened, noted.page, lab_settings)


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("−", "-").replace(",", "").replace("∞", "inf"))


@pytest.mark.parametrize("phase", ["forward", "backward", "update"])
def test_random_cells_show_the_recorded_number_and_arithmetic_that_gives_it(room: Room, phase: Phase) -> None:
    chosen = random.Random(phase)
    having = [
        record
        for record in room.trace.tensors
        if (phase != "update" or record.name in room.trace.updates)
        and (phase != "backward" or record.readable_gradient is not None)
    ]
    for record in chosen.sample(having, 6):
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
            _arithmetic_gives_its_result(line, cell)


def _arithmetic_gives_its_result(line: str, cell: str) -> None:
    """`0.5·2 + 1 = 2`, and `where max = max(1, 2) = 2`."""
    text = line.removeprefix("where").strip()
    arithmetic, _, result = text.rpartition(" = ")
    if line.startswith("where"):
        arithmetic = arithmetic.partition(" = ")[2]
        result = result.partition(" (and ")[0]
    if "∞" not in result and "NaN" not in result:
        found = as_printed(arithmetic)
        assert abs(found - number(result)) <= 1.01 * unit(result) + 1e-5 * abs(found), f"{cell}: {line}"


def test_all_the_way_to_the_input_at_once(room: Room) -> None:
    room.show(WEIGHTS, cell=f"{WEIGHTS}[0,1,5,1]")
    inspector = room.shown(f"{WEIGHTS}[0,1,5,1]")
    inspector.get_by_role("button", name="All the way to the input").click()
    way = inspector.locator(".way li")
    way.first.wait_for()
    wanted = [str(step.cell) for step in room.trace.path_to_input(f"{WEIGHTS}[0,1,5,1]")]
    assert way.count() == len(wanted)


def test_a_grid_by_keyboard(room: Room) -> None:
    room.show(WEIGHTS)
    page = room.page
    grid = page.locator("[data-heat-map] [role=grid]")
    grid.wait_for()
    assert (grid.get_attribute("aria-rowcount"), grid.get_attribute("tabindex")) == ("7", "0")
    assert page.locator("[data-heat-map] .grid [tabindex]").count() == 0  # one tab stop
    grid.focus()
    name = grid.get_attribute("aria-activedescendant")
    active = page.locator(f"[id='{name}']")
    values = room.trace[WEIGHTS].value[0, 0]

    def at(row: int, column: int) -> None:
        page.wait_for_function("id => !document.getElementById(id).textContent.includes('…')", arg=name)
        text = active.text_content()
        assert f"query “{WORDS[row]}”, key “{WORDS[column]}”" in text
        assert number(text.rpartition(": ")[2]) == pytest.approx(float(values[row, column]), rel=1e-5)

    at(0, 0)
    for keys, (row, column) in (
        (("ArrowDown", "ArrowDown", "ArrowRight"), (2, 1)), (("End",), (2, 6)), (("Home",), (2, 0)),
        (("Control+End",), (6, 6)), (("ArrowDown", "ArrowRight"), (6, 6)), (("PageUp",), (0, 6)),
        (("Control+Home",), (0, 0)), (("ArrowDown",), (1, 0)),
    ):  # fmt: skip
        for key in keys:
            page.keyboard.press(key)
        at(row, column)
    page.keyboard.press("Enter")
    assert active.get_attribute("aria-selected") == "true"
    room.shown(f"{WEIGHTS}[0,0,1,0]")


def test_a_heat_map_has_a_sentence_a_table_and_the_right_scale(room: Room) -> None:
    room.show(WEIGHTS)
    page = room.page
    described = page.locator("[data-heat-map] [role=grid]").get_attribute("aria-describedby")
    sentence = page.locator(f"[id='{described}']").inner_text()
    value = room.trace[WEIGHTS].value
    assert sentence.startswith(f"{WEIGHTS}: {value.numel()} numbers, from 0 to 1")
    legend = page.locator("[data-heat-map] .legend").inner_text()
    assert legend.split() == ["0", "1"]
    page.get_by_role("button", name="As a table").click()
    row = page.locator("table tbody tr").nth(5).locator("td").all_inner_texts()
    assert [number(text) for text in row] == pytest.approx(value[0, 0, 5].tolist(), rel=1e-3)
    page.get_by_role("button", name="As a picture").click()
    page.get_by_role("button", name="Gradient", exact=True).click()
    page.locator('[data-phase="backward"] [data-heat-map]').wait_for()
    gradient = room.trace[WEIGHTS].gradient
    assert gradient is not None
    limits = [number(text) for text in page.locator("[data-heat-map] .legend").inner_text().split()]
    largest = float(gradient.abs().max())
    assert limits == pytest.approx([-largest, largest], rel=1e-2)


def test_every_formula_is_set_as_mathematics(room: Room) -> None:
    for record in {record.origin: record for record in room.trace.tensors if record.formula}.values():
        room.show(record.name)
        room.page.locator("article header math").first.wait_for()
        assert room.page.locator("[data-plain-formula]").count() == 0, record.formula


def test_it_speaks_german(room: Room) -> None:
    room.show(WEIGHTS, cell=f"{WEIGHTS}[0,1,5,1]")
    room.page.get_by_role("button", name="de", exact=True).click()
    inspector = room.page.locator("[data-inspector]")
    assert "Kommt von" in inspector.inner_text()
    value = float(room.trace[WEIGHTS].value[0, 1, 5, 1])
    assert f"{value:.6g}".replace(".", ",") in inspector.inner_text()


def test_a_trace_that_was_dropped_says_so(opened: Open, noted: Any, lab_settings: Settings) -> None:
    page = noted.page
    page.goto(opened(lab_settings).address + "#/tensors?trace=77")
    assert "make it again" in page.get_by_role("alert").inner_text()
    noted.errors.clear()  # the browser itself notes an answer of 400


def test_nothing_runs_over_a_narrow_page(room: Room) -> None:
    room.page.set_viewport_size({"width": 390, "height": 844})
    room.show(WEIGHTS, cell=f"{WEIGHTS}[0,1,5,1]")
    room.shown(f"{WEIGHTS}[0,1,5,1]")
    assert room.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm ci in kqv/lab/web")
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_beside_a_trace(room: Room, colours: str) -> None:
    room.page.emulate_media(color_scheme=colours)
    for cell in (f"{WEIGHTS}[0,1,5,1]", "grad:tokens.weight[3,2]", "update:norm.weight[3]"):
        tensor, phase = cell.removeprefix("grad:").removeprefix("update:").partition("[")[0], "forward"
        phase = {"grad": "backward", "update": "update"}.get(cell.partition(":")[0], phase)
        room.show(tensor, phase, cell)  # type: ignore[arg-type]
        room.shown(cell)
        assert violations(room.page) == [], cell
