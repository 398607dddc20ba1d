"""The shapes' room in a real browser: sizes changed, impossible ones refused, a dimension followed, an address kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kqv.lab.settings import Settings
from kqv.systems.sketches import sketch_named
from kqv.trace.shapes import shapes_of


def test_sizes_are_changed_and_the_shapes_are_those_of_the_model(
    opened: Callable[..., Any], noted: Any, lab_settings: Settings
) -> None:
    from playwright.sync_api import expect

    page, address = noted.page, opened(lab_settings).address
    page.goto(f"{address}#/shapes?model=gpt2-124m&sizes=position:7,blocks:3")
    scores = page.locator('[data-tensor="blocks.0.attention.scores"]')
    assert "batch 1 head 12 query 7 key 7" in " ".join(scores.inner_text().split())
    wanted = {"position": 7, "blocks": 3, "head": 4}
    page.get_by_label("head", exact=True).fill("4")
    page.get_by_label("head", exact=True).press("Enter")
    expect(scores).to_contain_text("head 4")
    shapes = shapes_of(sketch_named("gpt2-124m").changed(wanted).trace())
    assert page.locator("dl.facts").get_attribute("data-parameters") == str(shapes.parameters)
    assert page.locator("[data-tensor]").count() == sum(
        shape.kind == "activation" and shape.block not in shapes.folded for shape in shapes.tensors
    )
    assert "head%3A4" in page.url
    page.get_by_label("head", exact=True).fill("7")
    page.get_by_label("head", exact=True).press("Enter")
    refusal = page.locator("aside").get_by_role("alert")
    assert refusal.inner_text() == "7 heads cannot share 768 numbers evenly; choose a width that 7 divides"
    page.get_by_role("button", name="head: As it was, 12", exact=True).click()
    refusal.wait_for(state="detached")
    noted.errors = [error for error in noted.errors if "400" not in error]  # the refusal
    page.get_by_role("button", name="vocab", exact=True).click()
    page.reload()
    assert page.get_by_role("button", name="vocab", exact=True).get_attribute("aria-pressed") == "true"


def test_gpt3_and_the_article_network_by_the_same_room(
    opened: Callable[..., Any], noted: Any, lab_settings: Settings
) -> None:
    from playwright.sync_api import expect

    page = noted.page
    page.goto(f"{opened(lab_settings).address}#/shapes")
    page.locator("dl.facts").wait_for()
    page.get_by_label("Model", exact=True).select_option("gpt3-175b")
    expect(page.locator("dl.facts")).to_contain_text("174.6 billion", timeout=60_000)
    assert "× 96" in page.locator(".block h3").inner_text()
    page.get_by_label("Model", exact=True).select_option("digits/article")
    expect(page.locator("dl.facts")).to_have_attribute("data-parameters", "7850")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
