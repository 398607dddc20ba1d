"""Any number in a real browser: what is shown is what was recorded, and its arithmetic gives it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from choosing import WEIGHTS, Room, number, random_cells
from small_trace import WORDS
from test_accessibility import AXE, violations

import kqv
from kqv.lab.settings import Settings
from kqv.systems.system import Traced
from kqv.trace.cells import Phase

Open = Callable[..., Any]


@pytest.fixture
def room(opened: Open, noted: Any, lab_settings: Settings) -> Room:
    return Room(opened, noted.page, lab_settings)


@pytest.mark.parametrize("phase", ["forward", "backward", "update"])
def test_random_cells_show_the_recorded_number_and_arithmetic_that_gives_it(room: Room, phase: Phase) -> None:
    assert len(list(random_cells(room, phase, 6, random.Random(phase)))) == 6


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


def test_an_address_leads_back_to_what_is_shown_without_a_chosen_cell(room: Room) -> None:
    room.show(WEIGHTS)
    page = room.page
    page.get_by_label("rows").select_option("head")
    page.get_by_role("group", name="query").get_by_role("button").nth(3).click()
    grid = page.locator("[data-heat-map] [role=grid], [role=grid]").first
    page.wait_for_url("**at=query%3D3**")
    before, address = grid.inner_text(), page.url
    page.goto("about:blank")
    page.goto(address)
    page.locator(f'[data-tensor="{WEIGHTS}"]').wait_for()
    assert page.get_by_label("rows").input_value() == "head"
    assert grid.inner_text() == before
    assert "cell=" not in page.url


def test_an_address_leads_back_to_the_window_of_a_large_tensor(
    opened: Open, noted: Any, lab_settings: Settings
) -> None:
    lab, page = opened(lab_settings), noted.page
    with kqv.Trace() as trace:
        kqv.note("large", torch.arange(120_000.0).view(300, 400), "position model")
    lab.lab.traces.record(lambda: Traced(trace, "", "", ""))
    page.goto(f"{lab.address}#/tensors?trace=1&tensor=large")
    grid = page.locator("[data-heat-map] [role=grid]")
    grid.focus()
    grid.press("Control+End")
    page.wait_for_url("**from=**")
    window, address = grid.get_attribute("data-window"), page.url
    assert window.split(",")[1] == "300"
    page.goto("about:blank")
    page.goto(address)
    grid.wait_for()
    assert grid.get_attribute("data-window") == window
