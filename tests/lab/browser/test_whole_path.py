"""The whole path through the lab in a real browser, by mouse, and by keyboard alone from the first Tab: nothing goes
wrong on the way, and no other machine is asked (`noted` requires both)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from learned import PIZZA
from seven import draw_seven, type_seven

from kqv.lab.settings import Settings
from kqv.training.run import Run

Open = Callable[..., Any]

INPUT = ("ids[", "positions[")
LONG = 240_000  # milliseconds


def says_seven(page: Any) -> None:
    page.wait_for_function("() => document.querySelector('.hero .digit')?.textContent === '7'")


def walk_to_the_embedding(page: Any, follow: Callable[[Any], None]) -> None:
    """From the weight that the inspector shows, always over the largest part, to a row of the embedding; and a step
    back."""
    aside = page.get_by_role("complementary", name="One number")
    cells: list[str] = []
    while not (cells and cells[-1].startswith(INPUT)):
        assert len(cells) < 30, cells
        shown = aside.locator("[data-inspector]")
        if not _changed(page, cells):  # the button was drawn anew between the focus and the key
            follow(aside.get_by_role("button", name="Follow the largest part"))
            assert _changed(page, cells)
        cells.append(shown.get_attribute("data-inspector"))
        if not cells[-1].startswith(INPUT):
            follow(aside.get_by_role("button", name="Follow the largest part"))
    assert cells[0].partition("[")[0].endswith("attention.weights")
    assert cells[-2].startswith("token_vectors[")
    follow(aside.get_by_role("button", name="Back"))
    aside.locator(f'[data-inspector="{cells[-2]}"]').wait_for()


def _changed(page: Any, cells: list[str]) -> bool:
    """Whether the inspector soon shows another cell than the last of these."""
    for _ in range(200):
        shown = page.evaluate("document.querySelector('[data-inspector]')?.dataset.inspector ?? ''")
        if shown not in ("", *cells[-1:]):
            return True
        page.wait_for_timeout(100)
    return False


def watch_the_curve_move(page: Any) -> None:
    line = page.locator("[data-curve='Loss'] path.line").first
    line.wait_for(timeout=LONG)
    page.wait_for_function(
        "before => document.querySelector(\"[data-curve='Loss'] path.line\")?.getAttribute('d') !== before",
        arg=line.get_attribute("d"), timeout=LONG,
    )  # fmt: skip


def stopped_and_saved(page: Any, run: Run) -> int:
    """The step at which the page says that it stopped."""
    page.get_by_role("button", name="Continue").wait_for(timeout=LONG)
    stopped = int(page.get_by_role("progressbar").get_attribute("aria-valuenow"))
    assert 0 < stopped < (run.recipe.training.steps or 0)
    assert run.checkpoint_file.is_file()
    return stopped


def goes_on_after(page: Any, step: int) -> None:
    page.wait_for_function(
        "before => Number(document.querySelector('[role=progressbar]')?.ariaValueNow) > before", arg=step, timeout=LONG
    )


def test_the_whole_path(opened: Open, noted: Any, runs: Path) -> None:
    page = noted.page
    page.goto(opened(Settings(runs=runs)).address)
    rooms = page.get_by_role("navigation", name="Rooms")
    rooms.get_by_role("link", name="Digits").click()
    draw_seven(page)
    says_seven(page)
    page.get_by_role("button", name="3", exact=True).click()
    page.get_by_role("heading", name="Backpropagate the error").wait_for()

    rooms.get_by_role("link", name="Sentence").click()
    page.get_by_label("Sentence", exact=True).fill(PIZZA)
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("button", name="it, token").first.click()
    page.locator("[data-head='1-0']").click()
    page.get_by_role("list", name="Attention weights, the largest first").get_by_role("button").first.click()
    page.get_by_role("button", name="Where does this weight come from?").click()
    walk_to_the_embedding(page, lambda button: button.click())
    page.keyboard.press("Escape")

    rooms.get_by_role("link", name="Training").click()
    page.get_by_role("button", name="New training").click()
    page.get_by_role("combobox", name="How long").select_option("steps")
    page.get_by_role("spinbutton", name="steps").fill("500000")
    page.get_by_role("button", name="Start", exact=True).click()
    watch_the_curve_move(page)
    page.get_by_role("heading", name="What it says now").wait_for(timeout=LONG)
    page.get_by_role("button", name="Stop", exact=True).click()
    step = stopped_and_saved(page, Run(runs / "digits-1"))
    page.get_by_role("button", name="Continue").click()
    goes_on_after(page, step)

    page.get_by_role("button", name="de", exact=True).click()
    page.get_by_role("button", name="Anhalten").click()
    page.get_by_role("button", name="Fortsetzen").wait_for(timeout=LONG)
    page.get_by_role("link", name="Satz").click()
    page.get_by_role("heading", name="Ein Satz, Schritt für Schritt").wait_for()


class Keyboard:
    """Somebody without a mouse."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def to(self, wanted: Any) -> None:
        """Tab until the focus is there, backward where it stands before what has the focus now."""
        wanted.first.wait_for(timeout=LONG)
        for _ in range(150):
            way = wanted.first.evaluate(
                "element => element === document.activeElement ? '' :"
                " document.activeElement.compareDocumentPosition(element) & 2 ? 'Shift+Tab' : 'Tab'"
            )
            if not way:
                return
            self.page.keyboard.press(way)
        raise AssertionError(f"Tab does not lead to {wanted}")

    def press(self, wanted: Any, *keys: str) -> None:
        """Tab to something and press keys there, Enter by default; the first one on what stands there then, should it
        be drawn anew in between."""
        self.to(wanted)
        first, *others = keys or ("Enter",)
        wanted.first.press(first)
        for key in others:
            self.page.keyboard.press(key)


def test_the_whole_path_by_keyboard_alone(opened: Open, noted: Any, runs: Path) -> None:
    page, keyboard = noted.page, Keyboard(noted.page)
    page.goto(opened(Settings(runs=runs)).address)
    page.get_by_role("heading", level=1).wait_for()
    rooms = page.get_by_role("navigation", name="Rooms")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    keyboard.press(rooms.get_by_role("link", name="Digits"))
    keyboard.to(page.locator(".paper"))
    type_seven(page)
    says_seven(page)
    keyboard.press(page.get_by_role("button", name="3", exact=True))
    page.get_by_role("heading", name="Backpropagate the error").wait_for()

    keyboard.press(rooms.get_by_role("link", name="Sentence"))
    keyboard.to(page.get_by_label("Sentence", exact=True))
    page.keyboard.type(PIZZA)
    keyboard.press(page.get_by_role("button", name="Read it"))
    keyboard.press(page.locator(".token.query"), "Home", "ArrowRight", "ArrowRight")
    keyboard.press(page.locator(".head.chosen"), "ArrowLeft", "ArrowRight", "ArrowUp", "Enter")
    keyboard.press(page.get_by_role("list", name="Attention weights, the largest first").get_by_role("button"))
    keyboard.press(page.get_by_role("button", name="Where does this weight come from?"))
    walk_to_the_embedding(page, keyboard.press)
    page.keyboard.press("Escape")

    keyboard.press(rooms.get_by_role("link", name="Training"))
    keyboard.press(page.get_by_role("button", name="New training"))
    keyboard.press(page.get_by_role("combobox", name="How long"), "s")
    keyboard.press(page.get_by_role("spinbutton", name="steps"), *"500000")
    keyboard.press(page.get_by_role("button", name="Start", exact=True))
    watch_the_curve_move(page)
    keyboard.press(page.get_by_role("button", name="Stop", exact=True))
    name = max(runs.glob("digits-*"), key=lambda path: path.name).name
    step = stopped_and_saved(page, Run(runs / name))
    keyboard.press(page.get_by_role("button", name="Continue"))
    goes_on_after(page, step)
    keyboard.press(page.get_by_role("button", name="de", exact=True))
    keyboard.press(page.get_by_role("button", name="Anhalten"))
    page.get_by_role("button", name="Fortsetzen").wait_for(timeout=LONG)
