"""The default recipe: its size fits the text, its length the clock, and a small text is not learned by heart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kqv.data.text.corpora import load_text
from kqv.training.gpt import make_gpt, start
from kqv.training.gpt_recipes import FITS, GPT_RECIPES, gpt


def test_larger_texts_have_larger_models() -> None:
    sizes = [sum(p.numel() for p in make_gpt(gpt(int(min(fit.most_bytes, 1e9))), 65).parameters()) for fit in FITS]
    assert sizes == sorted(set(sizes))
    assert gpt(1_000_000, graphics=True).model == gpt(10_000_000).model
    assert gpt(10**12, graphics=True).model == FITS[-1].plan


@pytest.mark.parametrize("name", GPT_RECIPES)
def test_every_recipe_makes_a_model(name: str) -> None:
    recipe = GPT_RECIPES[name]()
    assert recipe.name == name
    model = make_gpt(recipe, 65)
    logits = model(torch.zeros(1, recipe.model.context, dtype=torch.long))
    assert logits.shape == (1, recipe.model.context, 65)


def test_a_small_text_is_seen_only_so_often(tmp_path: Path) -> None:
    text = tmp_path / "small.txt"
    text.write_text("The quick brown fox jumps over the lazy dog.\n" * 120, encoding="utf-8")
    corpus = load_text(str(text))
    recipe = gpt(corpus.size)
    data = recipe.data.model_copy(update={"name": str(text)})
    recipe = recipe.model_copy(update={"data": data})
    _, trainer = start(recipe, corpus, tmp_path / "run", torch.device("cpu"), minutes=5)
    most = recipe.training.most_epochs
    assert most is not None
    assert trainer.steps == pytest.approx(most * trainer.task.epoch, abs=1)
