"""The digits room in a real browser: drawn by mouse and by keyboard, recognised, followed back, learned from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seven import draw_seven

from kqv.lab.settings import Settings


@pytest.fixture
def room(opened: Callable[..., Any], noted: Any, runs: Path) -> Any:
    """The room, with that network."""
    address = opened(Settings(runs=runs)).address
    noted.page.goto(f"{address}#/digits")
    noted.page.get_by_role("combobox").wait_for()
    return noted.page


def said(page: Any) -> str:
    text: str = page.locator(".hero .digit").inner_text()
    return text


def of_label(page: Any, which: int) -> list[float]:
    """What the steps made of the label's output: before and after, as shown."""
    return [float(found) for found in re.findall(r"([\d.]+)\s?%", page.get_by_test_id("after").inner_text())][:which]


def test_a_seven_is_drawn_recognised_followed_back_and_learned(room: Any) -> None:
    draw_seven(room)
    room.wait_for_function("() => document.querySelector('.hero .digit').textContent === '7'")
    assert "ink=" in room.url
    room.get_by_role("button", name="3", exact=True).click()
    room.get_by_role("heading", name="Backpropagate the error").wait_for()
    room.get_by_text("The new weight w′").wait_for()
    room.get_by_role("button", name="Take one step").click()
    before, after = of_label(room, 2)
    assert before < after
    room.get_by_role("button", name="Ten steps").click()
    room.get_by_role("heading", name="After 11 steps").wait_for()
    assert of_label(room, 2)[1] > after
    room.get_by_role("button", name="Forget what it learned here").click()
    room.get_by_test_id("after").wait_for(state="detached")
    assert said(room) == "7"


def test_an_address_leads_back_to_the_same_view(room: Any, noted: Any) -> None:
    draw_seven(room)
    room.get_by_role("button", name="7", exact=True).click()
    room.locator("#stage-5").wait_for()
    shown = room.locator(".cost b").inner_text()
    room.reload()
    room.locator("#stage-5").wait_for()
    assert room.locator(".cost b").inner_text() == shown
    room.get_by_title("Deutsch").click()
    room.get_by_role("heading", name="Fehler rückpropagieren").wait_for()


def test_every_chosen_number_is_the_recorded_one(room: Any) -> None:
    """Cells chosen by keyboard in the grids: the arithmetic that is told belongs to the number that is shown."""
    draw_seven(room)
    room.get_by_role("button", name="7", exact=True).click()
    room.locator("#stage-5").wait_for()
    room.get_by_role("button", name="Take one step").click()
    room.get_by_test_id("after").wait_for()
    for name, back in (("Activations of layer 2", ""), ("Errors δ of layer 2", "grad:")):
        grid = room.get_by_role("grid", name=name)
        grid.get_by_role("gridcell").focus()
        for key in ("ArrowRight", "ArrowDown", "End", "Enter"):
            room.keyboard.press(key)
        label, value = grid.get_by_role("gridcell").get_attribute("aria-label").split(": ")
        cell = f"{back}layers.0.{'z' if back else 'a'}[0,{label.split()[-1]}]"
        told = room.locator(f'[data-cell="{cell}"]')
        told.wait_for()
        assert number(told.inner_text()) == pytest.approx(number(value), rel=1e-3, abs=1e-9)
    grid = room.get_by_role("grid", name="Weights of layer 2")
    grid.get_by_role("gridcell").focus()
    for key in ("Home", "ArrowRight", "Enter"):
        room.keyboard.press(key)
    out, pixel = (int(field.input_value()) for field in room.get_by_role("spinbutton").all())
    weight, gradient, new = (
        number(room.locator(f'[data-cell="{phase}layers.0.weight[{out},{pixel}]"]').inner_text())
        for phase in ("", "grad:", "update:")
    )
    assert new == pytest.approx(weight - 0.003 * gradient, rel=1e-4, abs=1e-6)


def test_a_number_is_walked_back_to_a_pixel(room: Any) -> None:
    """From an error of the first layer over weights and outputs, by what the inspector offers."""
    draw_seven(room)
    told = room.locator('[data-cell^="layers.0.z"]')
    shown = number(told.inner_text())
    room.locator(".neuron").get_by_role("button", name="walk back").first.click()
    inspector = room.get_by_role("dialog")
    inspector.locator("[data-source]").first.wait_for()
    assert str(shown)[:5] in inspector.inner_text().replace("−", "-")
    inspector.locator('[data-source^="x["]').first.click()
    inspector.locator('[data-source^="pixels["]').first.wait_for()
    room.keyboard.press("Escape")
    inspector.wait_for(state="hidden")


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("e–", "e-").replace(",", ""))


def test_without_any_network_one_can_be_trained(opened: Callable[..., Any], noted: Any, tmp_path: Path) -> None:
    noted.page.goto(f"{opened(Settings(runs=tmp_path)).address}#/digits")
    noted.page.get_by_role("button", name="Train a digit network").wait_for()
    assert noted.page.get_by_role("list", name="The way there and back").get_by_role("listitem").count() == 5


@pytest.mark.parametrize(("width", "colours"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_on_a_whole_lesson(room: Any, width: int, colours: str) -> None:
    from test_accessibility import AXE, violations

    if not AXE.is_file():
        pytest.skip("needs axe-core: npm ci in kqv/lab/web")
    room.set_viewport_size({"width": width, "height": 900})
    room.emulate_media(color_scheme=colours)
    room.get_by_role("button", name="A test digit").click()
    room.locator("#stage-5").wait_for()
    room.get_by_role("button", name="Take one step").click()
    room.get_by_test_id("after").wait_for()
    room.wait_for_load_state("networkidle")
    assert "\n".join(violations(room)) == ""
    assert room.evaluate("document.documentElement.scrollWidth <= innerWidth")
