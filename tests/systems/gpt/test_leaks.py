"""A mask by which a model sees what it has to say is named before training, and found in what it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kqv.models.architecture import Architecture
from kqv.models.masks import MASKS
from kqv.systems.gpt.recipes import GPTRecipe, TextPlan
from kqv.systems.source import run_source
from kqv.systems.system import Asked, Watcher, system_named
from kqv.systems.training import Begun, begin
from kqv.systems.translation.recipes import numbers_dates
from kqv.training.distributed import ALONE
from kqv.training.plans import Recipe, TrainingPlan


def begun(system: str, recipe: Recipe, folder: Path) -> Begun:
    return begin(system_named(system), Asked(recipe), folder, ALONE, Watcher())


def gpt_with(mask: str, text: Path, steps: int = 1) -> GPTRecipe:
    return GPTRecipe(
        name="small",
        model=Architecture(context=16, width=32, heads=2, blocks=2, mask=mask, window=4, positions="rotary"),
        data=TextPlan(name=str(text), tokenizer="characters"),
        training=TrainingPlan(batch=16, learning_rate=3e-3, steps=steps),
    )


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Letters drawn at random: nobody can tell what comes next."""
    letters = torch.randint(8, (6000,), generator=torch.Generator().manual_seed(1)).tolist()
    file = tmp_path / "letters.txt"
    file.write_text("".join("abcdefgh"[letter] for letter in letters), encoding="utf-8")
    return file


@pytest.mark.parametrize("mask", MASKS)
def test_a_leak_is_named_before_a_gpt_trains(mask: str, text: Path, tmp_path: Path) -> None:
    found = begun("gpt", gpt_with(mask, text), tmp_path / "run")
    notes = found.planned.notes(found.trainer)
    leaks = [note for note in notes if note.startswith(f"a leak: with the mask {mask!r} each position sees")]
    assert len(leaks) == (mask in ("none", "future"))


@pytest.mark.parametrize("mask", ["past", "none", "future"])
def test_a_leak_is_named_before_a_translator_trains(mask: str, tmp_path: Path) -> None:
    recipe = numbers_dates()
    small = replace(recipe.model, width=16, heads=2, hidden=16, encoder_blocks=1, decoder_blocks=1, mask=mask)
    data = recipe.data.model_copy(update={"quantity": 300})
    found = begun("translate", recipe.model_copy(update={"model": small, "data": data}), tmp_path / "run")
    assert len(found.planned.notes(found.trainer)) == (mask != "past")


def test_what_the_note_says_is_what_happens(text: Path, tmp_path: Path) -> None:
    """The loss on held-out letters falls below what anybody could know; it writes all the same."""
    losses: dict[str, float] = {}
    for mask in ("past", "none"):
        found = begun("gpt", gpt_with(mask, text, steps=150), tmp_path / mask)
        losses[mask] = found.trainer.train().scores["loss"]
        loaded: Any = system_named("gpt").load(run_source(found.run), False)
        assert len(loaded.generate("abc", 20)) == 20
    assert losses["past"] > 2.05, "log 8 is 2.079"
    assert losses["none"] < 1.0
