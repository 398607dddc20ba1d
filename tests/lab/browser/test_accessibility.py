"""axe over every room: what people who read by ear, or by keyboard, could not use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kqv.lab.pages import WEB
from kqv.lab.settings import Settings

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
ROOMS = ("start", "digits", "sentence", "tensors", "shapes", "training", "questions", "exercises", "adder")
RUN = "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })"


def violations(page: Any) -> list[str]:
    """What axe finds on a page, each with the first element that it is about."""
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = page.evaluate(RUN)["violations"]
    return [f"{one['id']}: {one['help']}; {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm ci in kqv/lab/web")
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(opened: Callable[..., Any], noted: Any, lab_settings: Settings, colours: str) -> None:
    address = opened(lab_settings).address
    noted.page.emulate_media(color_scheme=colours)
    noted.page.goto(address)
    for room in ROOMS:
        noted.page.goto(f"{address}#/{room}")
        noted.page.get_by_role("heading", level=1).wait_for()
        noted.page.wait_for_load_state("networkidle")
        assert violations(noted.page) == [], room
