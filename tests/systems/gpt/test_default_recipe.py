"""The default recipe: its size fits the text, its length the clock, and a small text is not learned by heart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kqv.data.text.corpora import load_text
from kqv.models.gpt import GPT
from kqv.systems.gpt.recipes import FITS, GPT_RECIPES, dropout_for, gpt
from kqv.systems.gpt.start import start
from kqv.systems.gpt.trained import gpt_recipe_of, make_gpt


def test_larger_texts_have_larger_models() -> None:
    sizes = [sum(p.numel() for p in make_gpt(gpt(int(min(fit.most_bytes, 1e9))), 65).parameters()) for fit in FITS]
    assert sizes == sorted(set(sizes))
    assert gpt(1_000_000, graphics=True).model == gpt(10_000_000).model
    assert gpt(10**12, graphics=True).model == gpt(10**12).model


@pytest.mark.parametrize("name", GPT_RECIPES)
def test_every_recipe_makes_a_model(name: str) -> None:
    recipe = GPT_RECIPES[name]()
    assert recipe.name == name
    model = make_gpt(recipe, 65)
    logits = model(torch.zeros(1, recipe.model.context, dtype=torch.long))
    assert logits.shape == (1, recipe.model.context, 65)


def test_more_dropout_for_texts_that_are_seen_more_often() -> None:
    found = [dropout_for(epochs) for epochs in (0.1, 4, 6, 8, 12, 40)]
    assert found[:2] == [0.0, 0.0]
    assert found == sorted(found)
    assert 0 < found[2] < found[3] < found[4] == found[5] < 0.5


def test_a_small_text_is_seen_only_so_often_and_with_dropout(tmp_path: Path) -> None:
    text = tmp_path / "small.txt"
    text.write_text("The quick brown fox jumps over the lazy dog.\n" * 120, encoding="utf-8")
    corpus = load_text(str(text))
    recipe = gpt(corpus.size)
    data = recipe.data.model_copy(update={"name": str(text)})
    recipe = recipe.model_copy(update={"data": data})
    assert recipe.model.dropout is None
    run, trainer = start(recipe, corpus, tmp_path / "run", torch.device("cpu"), minutes=5)
    most = recipe.training.most_epochs
    assert most is not None
    assert trainer.steps == pytest.approx(most * trainer.task.epoch, abs=1)
    settled = gpt_recipe_of(run)
    assert settled.model.dropout == dropout_for(most)
    assert settled.training.steps == trainer.steps
    model = trainer.task.model
    assert isinstance(model, GPT)
    assert (model.architecture.dropout, model.architecture.attention_dropout) == (dropout_for(most), 0.0)


def test_a_text_that_is_seen_once_has_no_dropout(tmp_path: Path) -> None:
    text = tmp_path / "small.txt"
    text.write_text("The quick brown fox jumps over the lazy dog.\n" * 120, encoding="utf-8")
    corpus = load_text(str(text))
    recipe = gpt(corpus.size)
    training = recipe.training.model_copy(update={"steps": 2})
    run, _ = start(recipe.model_copy(update={"training": training}), corpus, tmp_path / "run", torch.device("cpu"))
    assert gpt_recipe_of(run).model.dropout == 0.0
