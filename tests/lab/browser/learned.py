"""What browser tests look at: a network that knows its digits, a GPT that knows a sentence, and a 7 to draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import kqv
from kqv.data.digits import load_digits
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan, TrainingPlan
from kqv.systems.digits.start import start

PIZZA = "the pizza came out of the oven and it tasted good"

SEVEN = [[(78, 68), (204, 68), (128, 226)], [(104, 150), (190, 150)]]
"""Crossed, as all of the embedded ones are."""


def digit_network(path: Path) -> None:
    """A network that knows its digits, trained for about a second on the embedded ones."""
    training = TrainingPlan(learning_rate=4e-3, batch=64, steps=250)
    recipe = DigitsRecipe(
        name="digits", model=NetworkPlan(hidden=(48,)), data=DigitsPlan(shift=1 / 8), training=training
    )
    _, trainer = start(recipe, load_digits(None), path, torch.device("cpu"))
    trainer.train()


def word_gpt(path: Path) -> None:
    """A tiny GPT whose tokens are words, since its text has few."""
    text = path.with_suffix(".txt")
    text.parent.mkdir(parents=True, exist_ok=True)
    text.write_text(f"{PIZZA}. the oven came out of the pizza and good tasted it. " * 60, encoding="utf-8")
    kqv.train(
        "gpt", data=str(text), tokenizer="bpe", vocab=300, layers=2, heads=2, width=16, context=32, batch=4, steps=20,
        out=str(path),
    )  # fmt: skip


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
