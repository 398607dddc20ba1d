"""The room Sentence on a real model, SmolLM2: read forward at once, its gradients when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from learned import PIZZA

from kqv.data.registry import SOURCES
from kqv.data.sources import find
from kqv.lab.settings import Settings
from kqv.trace.views.attention import attentions

FILE = find(SOURCES["smollm2"], SOURCES["smollm2"].files[0])
pytestmark = pytest.mark.skipif(FILE is None, reason="needs the file of the source smollm2 (kqv data fetch smollm2)")

LONG = 240_000  # milliseconds


def test_a_sentence_is_read_by_a_real_model(opened: Callable[..., Any], noted: Any, tmp_path: Path) -> None:
    lab, page = opened(Settings(runs=tmp_path)), noted.page
    page.set_default_timeout(LONG)
    page.goto(f"{lab.address}#/sentence")
    page.get_by_label("Sentence", exact=True).fill(PIZZA)
    page.get_by_role("button", name="Read it").click()
    page.get_by_role("heading", name="Who looks at whom").wait_for()
    page.locator(".head").first.wait_for()
    forward = list(lab.lab.traces)[-1].trace
    assert forward["logits"].gradient is None
    assert page.locator(".head").count() == sum(one.heads for one in attentions(forward))

    page.get_by_role("button", name="Compute the gradients too").click()
    page.locator(".later").wait_for(state="detached")
    whole = list(lab.lab.traces)[-1].trace
    assert whole["logits"].gradient is not None
    assert whole["logits"].value.equal(forward["logits"].value)
