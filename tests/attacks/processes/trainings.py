"""Short trainings of every system that write all that a run can have, each as a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kqv.systems.adder.recipes import ADDER_RECIPES
from kqv.systems.digits.recipes import DIGITS_RECIPES
from kqv.systems.gpt.recipes import GPT_RECIPES
from kqv.systems.translation.recipes import TRANSLATION_RECIPES

STEPS = 10
OFTEN = "often"
"""The name of a recipe that each system has here: its usual one, but evaluated every few steps."""

_USUAL: tuple[tuple[dict[str, Any], str, dict[str, Any]], ...] = (
    (DIGITS_RECIPES, "digits", {"early_stopping": 2, "halvings": 2, "monitor": ("training", "gradients")}),
    (ADDER_RECIPES, "adder-2", {"average": "last", "average_last": 2}),
    (GPT_RECIPES, "gpt", {"sample_tokens": 8}),
    (TRANSLATION_RECIPES, "translate", {"average": "ema", "best_by": "bleu"}),
)


def add_recipes() -> None:
    """Put the recipe of that name into every system's table."""
    for table, usual, changes in _USUAL:
        recipe = table[usual]()
        training = recipe.training.model_copy(update={"evaluate_every": 3, "keep_best": True, **changes})
        table[OFTEN] = lambda recipe=recipe, training=training: recipe.model_copy(update={"training": training})


def trainings(materials: Path) -> dict[str, tuple[str, ...]]:
    """The words of each training, for a run in the folder `run`."""
    text, pairs = str(materials / "text.txt"), str(materials / "pairs.tsv")
    small = ("--layers", "1", "--width", "16", "--heads", "2")
    found: dict[str, tuple[str, ...]] = {
        "digits": ("digits", "--batch", "20", "--width", "12", "--dropout", "0.2"),
        "adder": ("adder", *small, "--dropout", "0.1", "--batch", "16"),
        "gpt": ("gpt", "--data", text, "--context", "16", "--batch", "4", *small, "--dropout", "0.1"),
        "translate": ("translate", "--data", pairs, *small, "--batch", "200", "--tokenizer", "bpe", "--vocab", "300",
                      "--bpe-dropout", "0.1", "--r-drop", "1", "--dropout", "0.1"),
    }  # fmt: skip
    found = {name: (*words, "--recipe", OFTEN) for name, words in found.items()}
    for name, model in (("gpt from a run", "run-gpt"), ("gpt from a folder", "models/gpt2")):
        found[name] = ("gpt", "--data", text, "--from", str(materials / model), "--batch", "4")
    found["digits from a run"] = ("digits", "--from", str(materials / "run-digits"), "--batch", "20")
    return {name: ("train", *words, "--steps", str(STEPS), "--out", "run") for name, words in found.items()}


def again(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """How a training goes on that was stopped: it is resumed, or begun again where there is no run yet."""
    whole = (folder / "run" / "config.json").exists()
    return ("train", words[1], "--resume", "run") if whole else words
