"""What browser tests look at: a network that knows its digits, and a GPT that knows a sentence."""

from __future__ import annotations

from pathlib import Path

import torch

import kqv
from kqv.data.digits import load_digits
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan, TrainingPlan
from kqv.systems.digits.start import start

PIZZA = "the pizza came out of the oven and it tasted good"


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
