"""Which recipe suits which pairs, and that each makes a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kqv.models.transformer import Transformer
from kqv.systems.changes import Changes
from kqv.systems.system import Asked, Watcher
from kqv.systems.translation.planned import _usual, plan
from kqv.systems.translation.recipes import TRANSLATION_RECIPES, fitted, translate, translation_recipe
from kqv.training.distributed import Group


@pytest.mark.parametrize("name", TRANSLATION_RECIPES)
def test_every_recipe_makes_a_model(name: str) -> None:
    architecture = replace(translation_recipe(name).model, width=8 * translation_recipe(name).model.heads, hidden=16)
    assert Transformer(50, architecture=architecture).describe()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (Changes(), None),
        (Changes(data="numbers-dates"), "numbers-dates"),
        (Changes(data="multi30k"), "multi30k-de-en"),
        (Changes(data="multi30k", target="de"), "multi30k-en-de"),
        (Changes(data="multi30k", source="en"), "multi30k-en-de"),
        (Changes(data="own.tsv"), "translate"),
    ],
)
def test_data_without_a_recipe_gets_its_own(changes: Changes, name: str | None) -> None:
    assert _usual(changes) == name


def test_the_recipe_for_own_pairs_suits_their_number() -> None:
    small, large = fitted(translate(), Changes(), 1000, 100_000), fitted(translate(), Changes(), 10**6, 10**9)
    assert (small.data.vocab, large.data.vocab) == (512, 16_384)
    assert small.model.dropout > large.model.dropout
    asked = fitted(translate(), Changes(vocab=900, dropout=0.2), 1000, 100_000)
    assert asked.data.vocab != 512
    assert asked.model.dropout == small.model.dropout


def test_own_pairs_are_trained_for_minutes_unless_steps_are_given(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("".join(f"satz {n}\tsentence {n}\n" for n in range(60)))
    planned = plan(Asked(changes=Changes(data=str(path))), Group(), Watcher())
    assert planned.minutes == 5
    assert planned.recipe.name == "translate"
    assert plan(Asked(changes=Changes(data=str(path), steps=7)), Group(), Watcher()).minutes is None


def test_bpe_dropout_and_r_drop_are_asked_for_by_name(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("".join(f"satz {n}\tsentence {n}\n" for n in range(60)))
    changes = Changes(data=str(path), bpe_dropout=0.1, r_drop=2.0, steps=7)
    recipe = plan(Asked(changes=changes), Group(), Watcher()).recipe
    assert (recipe.data.bpe_dropout, recipe.loss.r_drop) == (0.1, 2.0)
