"""A 7 that is drawn on the page of digits, with the mouse or the keyboard; also for the pictures of the guide."""

from __future__ import annotations

from typing import Any

SEVEN = [[(78, 68), (204, 68), (128, 226)], [(104, 150), (190, 150)]]
"""Crossed, as all of the embedded ones are."""


def draw_seven(page: Any) -> None:
    """Draw it with the mouse, once all of the room is there."""
    page.get_by_role("combobox").wait_for()
    box = page.locator(".paper").bounding_box()
    for stroke in SEVEN:
        points = [(box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=12)
        page.mouse.up()
    page.locator("#stage-2").wait_for()


def type_seven(page: Any) -> None:
    """Draw it with the keyboard; the paper has the focus."""
    keys = ["Space", *["ArrowRight"] * 13, *["End" if number % 2 else "ArrowDown" for number in range(16)], "Space"]
    keys += [*["ArrowUp"] * 8, *["ArrowLeft"] * 4, "Space", *["ArrowRight"] * 9, "Space"]
    for key in keys:
        page.keyboard.press(key)
