"""The room Sentence in a real browser: what it shows is what was recorded, sampled and generated."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from learned import PIZZA
from test_accessibility import AXE, violations

import kqv
from kqv.generation.fast_step import FastStep
from kqv.generation.sampling import Sampling
from kqv.lab.sentence import models
from kqv.lab.settings import Settings

Open = Callable[..., Any]


@pytest.fixture
def lab(opened: Open, noted: Any, runs: Path) -> Any:
    """A lab whose room Sentence has read the pizza's sentence, typed by hand."""
    found = opened(Settings(runs=runs))
    page = noted.page
    page.goto(f"{found.address}#/sentence")
    page.get_by_label("Model", exact=True).select_option("gpt")
    page.get_by_label("Sentence", exact=True).fill(PIZZA)
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("heading", name="Who looks at whom").wait_for()
    return found


def recorded(lab: Any) -> Any:
    """The newest trace of the lab."""
    return list(lab.lab.traces)[-1].trace


def words_of(lab: Any) -> list[str]:
    trace = recorded(lab)
    return list(trace.meanings.of_axis("ids", "position", trace["ids"].sizes[-1], 0))


def test_weights_on_the_page_are_those_of_the_trace(lab: Any, noted: Any) -> None:
    page, words = noted.page, words_of(lab)
    query = next(at for at, word in enumerate(words) if word.endswith("it"))
    page.locator(f"[data-asking='{query}']").click()
    for attention, head in ((0, 1), (1, 0)):
        page.locator(f"[data-head='{attention}-{head}']").click()
        shown = page.get_by_role("list", name="Attention weights, the largest first").get_by_role("button")
        shown.first.wait_for()
        page.get_by_role("heading", name=f"block {attention}, head {head}").wait_for()
        weights = recorded(lab)[f"blocks.{attention}.attention.weights"].value[0, head, query]
        expected = sorted(weights[weights > 0].tolist(), reverse=True)[:8]
        found = [float(text.splitlines()[-1]) for text in shown.all_inner_texts()]
        assert len(found) >= 3
        assert found == pytest.approx(expected[: len(found)], abs=5e-4)


def test_the_temperature_changes_the_probabilities_at_once(lab: Any, noted: Any) -> None:
    page = noted.page
    logits = recorded(lab)["logits"].value[0, -1]
    rows = page.locator(".next tbody tr")
    rows.first.wait_for()
    for temperature in (1.0, 0.5, 1.5):
        page.get_by_role("slider", name="Temperature").fill(str(temperature))
        expected = Sampling(temperature).distribution(logits).sort(descending=True).values[:10] * 100
        shown = [float(re.findall(r"[\d.]+", text)[0]) for text in page.locator(".next .kept").all_inner_texts()]
        assert shown == pytest.approx(expected.tolist(), rel=6e-3)
    page.get_by_role("slider", name="Top-k").fill("0")  # the likeliest alone
    assert page.locator(".next .kept").all_inner_texts()[:2] == ["100 %", "0 %"]


def test_what_is_written_on_the_page_is_what_is_generated(lab: Any, noted: Any, runs: Path) -> None:
    page = noted.page
    page.get_by_role("spinbutton", name="Tokens").fill("9")
    page.get_by_role("spinbutton", name="Seed").fill("4")
    page.get_by_role("button", name="Let it write").click()
    page.get_by_text("That is as long as was asked for.").wait_for()
    expected = kqv.load(runs / "gpt").generate(PIZZA, 9, sampling=Sampling(1.0), seed=4)
    assert page.locator(".writing .text").inner_text() == (PIZZA + expected).strip()
    page.locator(".piece").nth(2).click()
    page.get_by_text("was drawn from").wait_for()


def test_writing_is_stopped(lab: Any, noted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page, step = noted.page, FastStep.__call__

    def slowly(*given: Any) -> Any:
        time.sleep(0.02)
        return step(*given)

    monkeypatch.setattr(FastStep, "__call__", slowly)
    page.get_by_role("spinbutton", name="Tokens").fill("1000")
    page.get_by_role("button", name="Let it write").click()
    page.locator(".piece").nth(3).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert page.locator(".piece").count() < 1000


def test_why_is_split_and_a_part_is_switched_off(lab: Any, noted: Any) -> None:
    page = noted.page
    page.get_by_role("list", name="Attention weights, the largest first").get_by_role("button").first.click()
    page.get_by_role("button", name="Where does this weight come from?").click()
    aside = page.get_by_role("complementary", name="One number")
    aside.get_by_text("attention.weights").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Why?").click()
    page.get_by_text("the model computed").wait_for()
    page.locator(".why table").get_by_role("switch").first.check()
    page.locator(".why .measure").first.wait_for()
    assert "without" in page.locator(".outcome").inner_text()
    page.get_by_role("button", name="Take out the 8 largest").click()
    page.get_by_role("columnheader", name="without it").wait_for()
    split = kqv.load(lab.settings.runs / "gpt").why(PIZZA).test_score(lab_cell(page), most=8)
    shown = [text.replace("−", "-") for text in page.locator(".why .alone").all_inner_texts() if text]
    assert [float(text) for text in shown] == pytest.approx([row.change for row in split], rel=6e-3, abs=1e-3)


def test_an_address_leads_back_to_sampling_the_mean_and_why(lab: Any, noted: Any) -> None:
    page = noted.page
    page.get_by_role("slider", name="Temperature").fill("0.5")
    page.get_by_role("slider", name="Top-k").fill("4")  # the tenth step
    page.get_by_role("button", name="Why “").nth(1).click()
    page.get_by_text("the model computed").wait_for()
    page.locator(".why").get_by_role("switch").nth(1).check()
    page.get_by_role("radio", name="what it gives in another text").check()
    page.get_by_role("textbox", name="Another text").fill("the oven tasted good")
    page.get_by_role("textbox", name="Another text").press("Enter")
    page.locator(".why .measure").first.wait_for()
    page.get_by_role("button", name="All heads").click()

    def seen() -> list[Any]:
        page.locator(".why .measure").first.wait_for()
        page.locator(".next .kept").first.wait_for()
        return [
            page.locator(".why .heading").inner_text(), page.locator(".why .result").inner_text(),
            page.locator(".next .kept").all_inner_texts(),
            page.get_by_role("textbox", name="Another text").input_value(),
            page.get_by_role("button", name="All heads").get_attribute("aria-pressed"),
            page.get_by_role("slider", name="Temperature").input_value(),
        ]  # fmt: skip

    before, address = seen(), page.url
    page.goto("about:blank")
    page.goto(address)
    page.get_by_role("heading", name="Who looks at whom").wait_for()
    assert seen() == before
    assert "as in 'the oven tasted good'" in before[1]


def lab_cell(page: Any) -> str:
    """The score's cell that the page asks why: that of the chosen head, query and key."""
    attention, head = page.locator(".head.chosen").get_attribute("data-head").split("-")
    query = page.locator(".token.query").get_attribute("data-asking")
    key = page.locator(".token.key").get_attribute("data-asking")
    return f"blocks.{attention}.attention.scores[0,{head},{query},{key}]"


def test_a_cell_of_the_path_is_an_element_of_its_tensor(lab: Any, noted: Any) -> None:
    page = noted.page
    card = page.locator("[id='step-blocks.0.attention.scores']")
    if not card.count():
        page.locator("select").nth(1).select_option("blocks.0")
    card.scroll_into_view_if_needed()
    grid = card.get_by_role("grid").first
    grid.wait_for()
    page.wait_for_load_state("networkidle")  # its numbers are there
    grid.focus()
    for key in ("Control+Home", "ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    aside = page.get_by_role("complementary", name="One number")
    aside.get_by_text("blocks.0.attention.scores").first.wait_for()
    head = int(page.locator(".head.chosen").get_attribute("data-head").split("-")[1])
    expected = float(recorded(lab)["blocks.0.attention.scores"].value[0, head, 2, 1])
    shown = aside.inner_text().replace("−", "-")
    assert any(float(number) == pytest.approx(expected, rel=1e-4) for number in re.findall(r"-?\d+\.\d+", shown))


def test_without_a_model_a_small_one_is_trained_and_reads(
    opened: Open, noted: Any, lab_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = noted.page
    page.set_default_timeout(240_000)
    monkeypatch.setattr(models, "is_here", lambda name: False)

    def shorter(route: Any) -> None:
        asked = route.request.post_data_json
        route.continue_(post_data=json.dumps(asked | {"changes": asked["changes"] | {"steps": 3}}))

    page.route("**/api/training/start", shorter)
    page.goto(opened(lab_settings).address + "#/sentence")
    page.get_by_role("button", name="Train it and read a sentence").click()
    page.get_by_role("heading", name="Who looks at whom").wait_for()
    assert page.get_by_label("Sentence", exact=True).input_value().startswith("The function returns")


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm ci in kqv/lab/web")
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_a_sentence_that_was_read(lab: Any, noted: Any, colours: str) -> None:
    page = noted.page
    page.emulate_media(color_scheme=colours)
    page.locator(".next tbody tr").first.wait_for()
    page.get_by_role("list", name="Attention weights, the largest first").get_by_role("button").first.click()
    page.get_by_role("button", name="Why?").click()
    page.get_by_text("the model computed").wait_for()
    page.locator("[id='step-logits']").scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert violations(page) == []


def test_german_and_a_narrow_page(lab: Any, noted: Any) -> None:
    page = noted.page
    page.get_by_role("button", name="de", exact=True).click()
    page.get_by_role("heading", name="Wer achtet auf wen").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
