"""The lab's frame in a real browser: rooms, language, colours, keyboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kqv.lab.settings import Settings

Open = Callable[..., Any]

ROOMS = 8


def test_every_room_is_reached_and_the_language_switched(opened: Open, noted: Any, lab_settings: Settings) -> None:
    page = noted.page
    page.goto(opened(lab_settings).address)
    links = page.get_by_role("navigation").get_by_role("link")
    assert links.count() == ROOMS
    for number in range(ROOMS):
        links.nth(number).click()
        title = links.nth(number).inner_text()
        page.get_by_role("heading", level=1).wait_for()
        assert page.title().startswith(title)
    page.get_by_role("button", name="de", exact=True).click()
    assert links.first.inner_text() == "Ziffern"
    assert page.evaluate("document.documentElement.lang") == "de"
    page.reload()
    assert links.first.inner_text() == "Ziffern"


def test_an_unknown_address_leads_to_the_start(opened: Open, noted: Any, lab_settings: Settings) -> None:
    page = noted.page
    page.goto(opened(lab_settings).address + "#/nowhere?x=1")
    page.get_by_role("link", name="Train a digit network").wait_for()


def test_an_address_says_where_what_it_names_is_not_there(
    opened: Open, noted: Any, lab_settings: Settings, runs: Path
) -> None:
    from playwright.sync_api import expect

    page, lab = noted.page, opened(replace(lab_settings, runs=runs))
    for where in ("training?run=", "questions?question=", "sentence?text=To%20be&model=", "digits?run="):
        page.goto(f"{lab.address}#/{where}nowhere")
        expect(page.get_by_role("alert").first).to_contain_text("There is no")
        expect(page.get_by_role("alert").first).to_contain_text("nowhere")
        page.goto(f"{lab.address}#/")


def test_the_keyboard_reaches_the_content(opened: Open, noted: Any, lab_settings: Settings) -> None:
    page = noted.page
    page.goto(opened(lab_settings).address)
    page.get_by_role("heading", level=1).wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "room"


def test_nothing_runs_over_a_narrow_page(opened: Open, noted: Any, lab_settings: Settings) -> None:
    page = noted.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(opened(lab_settings).address)
    page.get_by_role("heading", level=1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
