"""The adder's page in a real browser: every cell is the recorded number, and opens the arithmetic that made it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

import kqv
from kqv.lab.settings import Settings
from kqv.systems.adder.recipes import adder_2, adder_10

Open = Callable[..., Any]


@pytest.fixture
def runs(lab_settings: Settings) -> Settings:
    torch.set_num_threads(1)
    kqv.train("adder", recipe=adder_2(), steps=20, out=lab_settings.runs / "two")
    return lab_settings


def test_each_number_of_the_model_is_on_the_page_and_opens_its_arithmetic(
    opened: Open, noted: Any, runs: Settings
) -> None:
    from playwright.sync_api import expect

    page, lab = noted.page, opened(runs)
    page.goto(f"{lab.address}#/adder?sum=58%2B67&column=1")
    page.locator('[data-tensor="logits"]').wait_for()
    trace = next(iter(lab.lab.traces)).trace
    for record in trace.tensors:
        if record.kind == "parameter":
            cells = page.locator(f'figure[data-tensor="{record.name}"] [role="gridcell"]')
            assert cells.count() == record.value.numel(), record.name
    chance = random.Random(3)
    for name in ("tokens.weight", "blocks.0.attention.query_key_value", "blocks.0.feed_forward.active", "logits"):
        figure = page.locator(f'figure[data-tensor="{name}"]')
        shape = trace[name].value.shape
        row, column = chance.randrange(shape[-2]), chance.randrange(shape[-1])
        figure.locator(f'[data-at="{row},{column}"]').click()
        index = [0] * (len(shape) - 2) + [row, column]
        cell = f"{name}[{','.join(map(str, index))}]"
        inspector = page.locator(f'[data-inspector="{cell}"]')
        value = float(trace[name].value[tuple(index)])
        expect(inspector.locator('[data-phase="forward"] .number')).to_have_text(shown(page, value))
    page.reload()
    expect(page.locator('[data-inspector^="logits["]')).to_be_visible()


def shown(page: Any, value: float) -> str:
    """A number as the inspector writes it: six significant digits."""
    size = abs(value)
    if size != 0 and size < 1e-4:
        mantissa, exponent = f"{value:.5e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{float(f'{value:.6g}'):.10g}".replace("-", "−")


def test_another_sum_the_gradients_and_the_keyboard(opened: Open, noted: Any, runs: Settings) -> None:
    from playwright.sync_api import expect

    page = noted.page
    page.goto(f"{opened(runs).address}#/adder?sum=12%2B34")
    page.locator('[data-tensor="logits"]').wait_for()
    page.get_by_label("First number").fill("99")
    page.get_by_label("Second number").fill("1")
    page.get_by_label("Second number").press("Enter")
    expect(page.locator(".read")).to_have_text("99+10=00")
    page.get_by_role("button", name="Column 10 to the power of 2").click()
    expect(page.get_by_role("button", name="Column 10 to the power of 2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="gradients").click()
    figure = page.locator('figure[data-tensor="embedded"]')
    figure.locator('[data-at="0,0"]').click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator('[data-inspector="grad:embedded[0,1,7]"]')).to_be_visible()
    page.get_by_role("button", name="weights after a step").click()
    expect(page.locator('figure[data-tensor="tokens.weight"] [role="gridcell"]').first).to_be_visible()
    page.get_by_label("First number").fill("1234")
    page.get_by_label("Second number").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("numbers of up to 2 digits")
    noted.errors = [error for error in noted.errors if "400" not in error]  # the refusal


def test_ten_digits_in_windows(opened: Open, noted: Any, lab_settings: Settings) -> None:
    page = noted.page
    torch.set_num_threads(1)
    kqv.train("adder", recipe=adder_10(), steps=2, out=lab_settings.runs / "ten")
    page.goto(f"{opened(lab_settings).address}#/adder?sum=9999999999%2B1&column=4")
    figure = page.locator('figure[data-tensor="embedded"]')
    figure.wait_for()
    assert figure.locator("tbody tr").count() == 8
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_an_adder_one_is_trained(opened: Open, noted: Any, lab_settings: Settings) -> None:
    from playwright.sync_api import expect

    page = noted.page

    def shorter(route: Any) -> None:
        route.continue_(post_data=json.dumps(route.request.post_data_json | {"changes": {"steps": 40}}))

    page.route("**/api/training/start", shorter)
    page.goto(f"{opened(lab_settings).address}#/adder")
    page.get_by_role("button", name="Train an adder").click()
    expect(page.get_by_role("link", name="Watch it learn")).to_be_visible(timeout=60_000)
    expect(page.locator('[data-tensor="logits"]').first).to_be_visible(timeout=240_000)
