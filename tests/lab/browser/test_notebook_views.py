"""The views of a notebook in a real browser: the built module, and a live widget of this process."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from choosing import WEIGHTS, Room, random_cells
from notebook_stand import Notebook, wired
from small_passages import gpt
from small_runs import small_run
from small_trace import WORDS, trace_of_words
from test_accessibility import AXE, violations

import kqv
from kqv.trace.cells import Phase
from kqv.viewed import Viewed
from kqv.why.why import Why

__all__ = ["wired"]

pytestmark = pytest.mark.usefixtures("wired")

Show = Callable[..., Notebook]


@pytest.fixture
def shown(noted: Any) -> Iterator[Show]:
    """Show the view of an object in a page."""
    opened: list[Notebook] = []

    def show(thing: Viewed, **choices: Any) -> Notebook:
        opened.append(Notebook(thing.widget(**choices)))
        noted.page.goto(opened[-1].address)
        noted.page.locator("section.frame").wait_for()
        return opened[-1]

    yield show
    noted.page.goto("about:blank")
    for notebook in opened:
        notebook.stop()


class Card(Room):
    """A trace's view, looked at as the lab's room."""

    def __init__(self, show: Show, page: Any, **choices: Any) -> None:
        self.page = page
        self.trace = trace_of_words().trace
        self.notebook = show(self.trace, **choices)
        self.view = self.notebook.view

    def show(self, tensor: str, phase: Phase = "forward", cell: str = "") -> None:
        """Go to a tensor as Python does it."""
        with self.notebook.lock, self.view.hold_sync():
            self.view.tensor, self.view.phase, self.view.cell = tensor, phase, cell
        self.page.locator(f'[data-tensor="{tensor}"][data-phase="{phase}"]').wait_for()


@pytest.fixture
def card(shown: Show, noted: Any) -> Card:
    return Card(shown, noted.page)


@pytest.mark.parametrize("phase", ["forward", "backward", "update"])
def test_random_cells_show_the_recorded_number_and_arithmetic_that_gives_it(card: Card, phase: Phase) -> None:
    for cell, value in random_cells(card, phase, 4, random.Random(f"notebook {phase}")):
        assert card.view.cell == cell
        assert card.view.chosen is not None
        assert card.view.chosen.value == pytest.approx(value)


def test_a_source_leads_back_and_shows_its_tensor(card: Card) -> None:
    card.show(WEIGHTS, cell=f"{WEIGHTS}[0,1,5,1]")
    inspector = card.shown(f"{WEIGHTS}[0,1,5,1]")
    assert "weights = note(" in inspector.locator("pre .chosen").inner_text()  # the line of code that made it
    source = inspector.locator("[data-source]").first
    source.click()
    card.page.locator('[data-tensor="blocks.0.attention.masked_scores"]').wait_for()
    assert card.view.tensor == "blocks.0.attention.masked_scores"
    card.page.get_by_role("button", name="Back").click()
    card.shown(f"{WEIGHTS}[0,1,5,1]")


def test_by_keyboard_alone_and_the_notebook_hears_nothing_of_it(card: Card) -> None:
    page = card.page
    page.evaluate("window.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key))")
    card.show(WEIGHTS)
    page.locator("[data-heat-map] [role=grid]").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    card.shown(f"{WEIGHTS}[0,0,2,1]")
    assert page.evaluate("heard") == []


def test_no_style_comes_in_or_leaves(card: Card) -> None:
    assert card.page.locator("article h2").evaluate("(e) => getComputedStyle(e).fontSize") == "18.4px"
    assert card.page.locator("h1").evaluate("(e) => getComputedStyle(e).fontFamily") == "serif"
    assert card.page.evaluate("document.head.querySelectorAll('style').length") == 1


def test_the_language_is_a_trait(card: Card) -> None:
    card.show(WEIGHTS, cell=f"{WEIGHTS}[0,1,5,1]")
    with card.notebook.lock:
        card.view.language = "de"
    card.page.get_by_text("Kommt von").wait_for()
    card.page.get_by_role("button", name="en", exact=True).click()
    card.page.get_by_text("Comes from").wait_for()
    assert card.view.language == "en"
    assert card.page.evaluate("document.documentElement.lang") == "en"


DRAWN = (
    "() => {{ const c = {canvas}; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean) }}"
)
"""Whether anything is on a canvas yet."""


def at_rest(page: Any, expression: str) -> Any:
    """What an expression gives once it gives the same twice, half a second apart."""
    before, now = None, page.evaluate(expression)
    while now != before:
        page.wait_for_timeout(500)
        before, now = now, page.evaluate(expression)
    return now


def test_the_theme_is_the_notebooks_or_the_chosen_one(card: Card) -> None:
    host = card.page.locator("#output")
    assert host.get_attribute("data-theme") == "light"
    canvas = "document.querySelector('#output').shadowRoot.querySelector('.grid canvas')"
    painted = f"{canvas}.toDataURL()"
    card.show(WEIGHTS)
    card.page.locator("[data-heat-map] canvas").wait_for()
    card.page.wait_for_function(DRAWN.format(canvas=canvas))
    light = at_rest(card.page, painted)
    card.page.evaluate("document.body.classList.add('dark')")
    card.page.locator("#output[data-theme=dark]").wait_for()
    card.page.wait_for_function(f"(old) => {painted} !== old", arg=light)
    with card.notebook.lock:
        card.view.theme = "light"
    card.page.locator("#output[data-theme=light]").wait_for()
    card.page.wait_for_function(f"(old) => {painted} === old", arg=light)


def test_nothing_runs_over_a_narrow_output(card: Card) -> None:
    card.page.set_viewport_size({"width": 390, "height": 844})
    card.show(WEIGHTS, cell=f"{WEIGHTS}[0,1,5,1]")
    card.shown(f"{WEIGHTS}[0,1,5,1]")
    assert card.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm ci in kqv/lab/web")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(shown: Show, noted: Any, theme: str, tmp_path: Path) -> None:
    card = Card(shown, noted.page, theme=theme, cell=f"{WEIGHTS}[0,1,{WORDS[5]},1]")
    card.shown(f"{WEIGHTS}[0,1,5,1]")
    assert violations(noted.page) == []
    shown(small_run(tmp_path), theme=theme)
    noted.page.locator("[data-curve] path.line").first.wait_for()
    assert violations(noted.page) == []


def test_an_answer_shows_its_sentence_and_its_table(shown: Show, noted: Any, tmp_path: Path) -> None:
    answer = kqv.compare("digits", vary={"model.activation": ["relu", "tanh"]}, seeds=1, steps=3, out=tmp_path / "q")
    shown(answer)
    rows = noted.page.locator("table").first.locator("tbody tr")
    assert [rows.nth(at).locator("th").inner_text() for at in range(2)] == [one.label for one in answer.results]
    noted.page.locator("[data-curve] svg").first.wait_for()
    if AXE.is_file():
        assert violations(noted.page) == []


def test_a_run_shows_its_curves_and_follows_what_is_measured(shown: Show, noted: Any, tmp_path: Path) -> None:
    run = small_run(tmp_path)
    notebook = shown(run)
    page = noted.page
    page.get_by_text("finished", exact=True).wait_for()
    measured = run.metrics()
    last = measured[-1]["step"]
    slider = page.locator("[data-curve] [role=slider]").first
    assert int(slider.get_attribute("aria-valuenow")) == last
    losses = [line["validation_loss"] for line in measured if "validation_loss" in line]
    assert f"{losses[-1]:.4g}" in slider.get_attribute("aria-valuetext").replace(",", "")
    with (run.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"step": {last + 5}, "loss": 0.5}}\n')
    with notebook.lock:
        notebook.view.look()
    page.locator(f'[data-curve] [role=slider][aria-valuenow="{last + 5}"]').wait_for()


def german(text: str) -> float:
    """A number as the page writes it in German."""
    return float(text.replace("−", "-").replace(",", "."))


def test_why_is_split_and_a_part_gives_its_mean(shown: Show, noted: Any) -> None:
    why = Why(gpt("gpt2"))
    notebook = shown(why, token="good", after="tasted", language="de")
    page = noted.page
    page.get_by_role("heading", name="Warum „good“ nach „tasted“? Sein Logit").wait_for()
    split = why.token("good", "tasted")
    values = [german(text) for text in page.locator(".why td.wide .number").all_inner_texts()]
    assert values[:5] == pytest.approx([value for _, value in split.largest(5)], rel=6e-3)
    head = next(part.words for part, _ in split.largest(12) if part.kind == "head")
    spoken = head.replace("block", "Block").replace("head", "Kopf")
    page.get_by_role("switch", name=spoken).check()
    page.get_by_role("radio", name="sein Mittel").check()
    page.get_by_text(f"mit dem Mittelwert von {spoken}").wait_for()
    expected = why.mean(head).logit_and_probability(why.word("good", "tasted"), "tasted")
    assert german(page.locator(".why .measure b").first.inner_text()) == pytest.approx(expected["logit"], rel=6e-4)
    assert notebook.view.changed.words == f"with the mean of {head}"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if AXE.is_file():
        assert violations(page) == []
