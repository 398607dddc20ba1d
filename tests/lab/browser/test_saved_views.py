"""Views saved in a real browser and opened from the disk, without the lab: they look the same and need nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image
from test_accessibility import AXE, violations

import kqv
from kqv.experiments.question import make_question
from kqv.lab.settings import Settings
from kqv.systems.adder.recipes import adder_2

Open = Callable[..., Any]

PIZZA = "the pizza came out of the oven and it tasted good"
SVG = "{http://www.w3.org/2000/svg}"
RENDERER = shutil.which("rsvg-convert")
LONG = 60_000  # milliseconds, where other work goes on


@dataclass(frozen=True)
class View:
    """A view: its address, and what is there once it is shown."""

    address: str
    ready: str


VIEWS = {
    "digits": View("#/digits?run=digits&test=3", ".neuron .arithmetic b"),
    "sentence": View(f"#/sentence?model=gpt&text={PIZZA.replace(' ', '+')}", ".token"),
    "tensors": View("#/tensors?model=gpt&input=the+pizza&tensor=tokens.weight", "[data-heat-map] canvas"),
    "shapes": View("#/shapes?model=gpt2-124m", "[data-picture] svg"),
    "training": View("#/training?run=digits", "canvas"),
    "questions": View("#/questions?question=compare", "[data-curve] svg"),
    "exercises": View("#/exercises?exercise=softmax", ".editor pre"),
    "adder": View("#/adder?model=adder&sum=58%2B67", '[data-tensor="logits"] td'),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with something for every room."""
    folder = tmp_path_factory.mktemp("saved")
    text = folder / "text.txt"
    text.write_text(f"{PIZZA}. the oven came out of the pizza and good tasted it. " * 60, encoding="utf-8")
    path = folder / "runs"
    kqv.train(
        "gpt", data=str(text), tokenizer="bpe", vocab=300, layers=2, heads=2, width=16, context=32, batch=4, steps=5,
        out=str(path / "gpt"),
    )  # fmt: skip
    kqv.train("digits", steps=30, layers=1, width=16, out=path / "digits")
    kqv.train("adder", recipe=adder_2(), steps=2, out=path / "adder")
    question = make_question({"system": "digits", "vary": {"width": [4, 8]}, "seeds": 2, "steps": 20})
    kqv.compare(question, out=path / "compare")
    return path


@pytest.fixture
def address(opened: Open, runs: Path) -> str:
    found: str = opened(Settings(runs=runs)).address
    return found


@pytest.fixture
def alone(browser: Any) -> Iterator[Any]:
    """A page of a browser that has never seen the lab, and has no network; `asked` are the requests that it makes."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark", offline=True)
    found = context.new_page()
    found.asked = []
    found.on("request", lambda request: found.asked.append(request.url))
    yield found
    context.close()


def show(page: Any, address: str, name: str) -> None:
    page.set_default_timeout(LONG)
    page.goto(address + VIEWS[name].address)
    page.locator(VIEWS[name].ready).first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")


def save(page: Any, folder: Path, button: Any) -> Path:
    """Open the panel, press one of its buttons, and keep the file under the name that it has."""
    if not page.locator("#save-panel").is_visible():
        page.get_by_role("button", name="Save this view").click()
    with page.expect_download() as waiting:
        button.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def saved_at_rest(page: Any, folder: Path) -> tuple[Path, list[str]]:
    """The view as a page, and the colours of its pictures, once nothing was drawn anew meanwhile."""
    for _ in range(10):
        before = page.evaluate(CORNERS)
        path = save(page, folder, page.get_by_role("button", name="Page (HTML)").first)
        if page.evaluate(CORNERS) == before:
            return path, before
    raise AssertionError("the view never came to rest")


def opened_alone(alone: Any, path: Path) -> Any:
    alone.goto(path.as_uri())
    assert [url for url in alone.asked if not url.startswith("data:")] == [path.as_uri()]
    return alone


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[^\s]{4,}", text))


PICTURES = "#save-panel li button:text-is('SVG')"
CHOOSING = "document.querySelectorAll('#room [data-unsaved]').forEach((one) => (one.style.display = 'none'))"
"""Hides what is only there to choose with."""
CORNERS = """() => {
  const corner = (canvas) => [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data].slice(0, 3).join();
  return [...document.querySelectorAll("canvas[data-cells]")].filter((canvas) => canvas.width).map(corner);
}"""


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_can_be_kept(address: str, noted: Any, alone: Any, tmp_path: Path, name: str) -> None:
    page = noted.page
    show(page, address, name)
    path, expected = saved_at_rest(page, tmp_path)
    assert re.fullmatch(rf"kqv-{name}[a-z0-9.-]*\.html", path.name)
    require_alone(path.read_text(encoding="utf-8"))
    kept = opened_alone(alone, path)
    assert kept.locator("h1").inner_text() == page.locator("#room h1").inner_text()
    assert kept.locator("footer a").get_attribute("href") == page.url
    assert kqv.__version__ in kept.locator("footer").inner_text()
    page.evaluate(CHOOSING)
    shown, found = (words_of(one.inner_text()) for one in (page.locator("#room"), kept.locator("main")))
    assert len(shown & found) > 0.6 * len(shown), sorted(shown - found)
    require_colours(kept, expected)
    if AXE.is_file():
        assert violations(kept) == []
    kept.set_viewport_size({"width": 390, "height": 844})
    assert kept.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    for button in ["The whole view: save as SVG", None]:
        if button is None and page.locator(PICTURES).count() == 0:
            continue
        require_picture(
            page, tmp_path, page.locator(PICTURES).last if button is None else page.get_by_role("button", name=button)
        )


def require_alone(text: str) -> None:
    """A page without a script, and without anything of another file."""
    assert "<script" not in text
    assert "@import" not in text
    assert not re.search(r"""(src|href)="(?!http://127|data:|#)""", text)


def require_colours(kept: Any, expected: list[str]) -> None:
    """Each picture has a cell of the colour that its corner has on the page; and its numbers as a table."""
    drawings = kept.locator("x-canvas[data-cells] > svg")
    assert drawings.count() == len(expected)
    assert kept.locator(".numbers-of details").count() >= len(expected)
    for at, corner in enumerate(expected):
        fills = drawings.nth(at).evaluate(
            "svg => [...svg.querySelectorAll('rect')].map((one) => one.getAttribute('fill'))"
        )
        assert f"rgb({corner})" in fills or drawings.nth(at).locator("image").count() == 1


def require_picture(page: Any, folder: Path, button: Any) -> None:
    """An SVG that other programs read: plain shapes and colours, with a title and where it came from."""
    path = save(page, folder, button)
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title")
    assert page.url.split("#")[0] in root.findtext(f"{SVG}desc", "")
    assert not re.search(r"light-dark|var\(--|color-mix|oklab|<foreignObject", path.read_text(encoding="utf-8"))
    if RENDERER is not None:
        subprocess.run(
            [RENDERER, "--unlimited", str(path), "-o", str(path.with_suffix(".png"))], check=True, timeout=60
        )
        assert Image.open(path.with_suffix(".png")).width == int(root.get("width", "0"))


def test_a_heat_map_has_the_same_pixels_in_its_svg(address: str, noted: Any, alone: Any, tmp_path: Path) -> None:
    page = noted.page
    show(page, address, "tensors")
    label = "tokens.weight"
    path = save(page, tmp_path, page.get_by_role("button", name=f"{label}: save as SVG", exact=True))
    rectangles = ElementTree.parse(path).getroot().iter(f"{SVG}rect")
    filled = [one.get("fill") for one in rectangles if one.get("width") == "1" and one.get("height") == "1"]
    grid = page.locator("[data-heat-map] [role=grid]").first
    top, bottom, left, right = (int(edge) for edge in grid.get_attribute("data-window").split(","))
    assert len(filled) == (bottom - top) * (right - left)
    colours = page.evaluate(
        """([rows, columns]) => {
          const canvas = document.querySelector("canvas[data-cells]");
          const context = canvas.getContext("2d");
          const found = [];
          for (let row = 0; row < rows; row++)
            for (let column = 0; column < columns; column++) {
              const at = [(column + 0.5) * canvas.width / columns, (row + 0.5) * canvas.height / rows].map(Math.floor);
              found.push(`rgb(${[...context.getImageData(...at, 1, 1).data].slice(0, 3).join()})`);
            }
          return found;
        }""",
        [bottom - top, right - left],
    )
    assert filled == colours


def test_the_page_of_the_whole_trace_answers(address: str, noted: Any, alone: Any, tmp_path: Path) -> None:
    page = noted.page
    show(page, address, "sentence")
    button = page.get_by_role("button", name="The trace, with numbers that answer: save as HTML")
    path = save(page, tmp_path, button)
    saved = opened_alone(alone, path)
    saved.locator(".text .row").first.click()
    saved.locator("#inspector .check:not(.bad)").first.wait_for()
