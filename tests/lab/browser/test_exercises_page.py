"""The exercises in a real browser: written, explained, passed, and the real training watched; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.lab.settings import Settings
from kqv.workshop.catalogue import exercise
from kqv.workshop.template import solution, template

NAME = "cost_derivative"
TO_WRITE = 'raise NotImplementedError("to be written")'


@pytest.fixture
def page(opened: Callable[..., Any], noted: Any, lab_settings: Settings, here: Path) -> Any:
    noted.page.goto(f"{opened(lab_settings).address}#/exercises?exercise={NAME}")
    noted.page.locator("textarea").wait_for()
    return noted.page


def test_from_a_mistake_to_a_trained_network(page: Any) -> None:
    from playwright.sync_api import expect

    editor = page.locator("textarea")
    assert editor.input_value() == template(exercise(NAME))
    editor.fill(template(exercise(NAME)).replace(TO_WRITE, "return y - output_activations"))
    page.get_by_role("button", name="Check", exact=True).click()
    report = page.locator("[data-passed]")
    expect(report).to_have_attribute("data-passed", "false")
    expect(report).to_contain_text("Likely mistake")
    page.get_by_role("button", name="Hint (3 left)").click()
    expect(page.locator(".hints")).to_contain_text(exercise(NAME).hints[0])
    editor.fill(solution(exercise(NAME)))
    editor.press("Control+Enter")
    expect(report).to_have_attribute("data-passed", "true")
    page.get_by_role("button", name="Train with it").click()
    training = page.locator("[data-running]")
    expect(training).to_contain_text("Epoch 1 of", timeout=60_000)
    expect(training).to_have_attribute("data-running", "false", timeout=120_000)
    expect(training).to_contain_text("of the digits that it never saw")
    expect(page.get_by_role("navigation", name="Exercises")).to_contain_text("1 of 10 passed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_was_found_is_said_in_german(page: Any) -> None:
    from playwright.sync_api import expect

    page.get_by_role("button", name="de", exact=True).click()
    editor = page.locator("textarea")
    editor.fill(template(exercise(NAME)).replace(TO_WRITE, "return np.sum(output_activations)"))
    editor.press("Control+Enter")
    report = page.locator("[data-passed]")
    expect(report).to_contain_text("Zurück kam eine bloße Zahl für", timeout=60_000)
    expect(report).to_contain_text("Hat eine Summe, ein Mittel oder ein argmax aus allem eine Zahl gemacht?")
    expect(report).to_contain_text("Geprüft mit: drei Klassen")
    assert report.locator("[lang=en]").all_inner_texts() == [exercise(NAME).functions[0].call]


def test_what_is_written_is_kept_by_itself_and_found_again(page: Any) -> None:
    from playwright.sync_api import expect

    editor, file = page.locator("textarea"), Path("rebuild", f"{NAME}.py")
    editor.fill("# by the page\n")
    expect(page.locator("[data-kept]")).to_have_attribute("data-kept", "true")
    expect(page.locator("[data-kept]")).to_contain_text(str(file))
    assert file.read_text(encoding="utf-8") == "# by the page\n"
    page.reload()
    assert editor.input_value() == "# by the page\n"
    editor.fill("# not kept yet when the page is left\n")
    page.get_by_role("link", name="sigmoid").first.click()
    expect(editor).not_to_have_value("# not kept yet when the page is left\n")
    page.go_back()
    expect(editor).to_have_value("# not kept yet when the page is left\n")


def test_keys_of_the_editor(page: Any) -> None:
    editor = page.locator("textarea")
    editor.fill("")
    editor.focus()
    page.keyboard.type("def f(x):\nif x:\nreturn 1")
    assert editor.input_value() == "def f(x):\n    if x:\n        return 1"
    page.keyboard.press("Enter")
    page.keyboard.press("Backspace")
    page.keyboard.type("y")
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    assert editor.input_value().splitlines()[-1].strip() == "y"
    page.keyboard.press("Control+Z")
    assert editor.input_value().splitlines()[-1] == "    y"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
