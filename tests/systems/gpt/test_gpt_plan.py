"""The model's part of a GPT's recipe is the model's own architecture; older runs' are read, impossible ones refused."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from kqv.models.architecture import Architecture
from kqv.models.families import GPT2, LLAMA, QWEN3, Family, family_of
from kqv.systems.gpt.recipes import GPT_RECIPES, GPTRecipe, gpt
from kqv.systems.gpt.trained import make_gpt


def recipe_with(model: object) -> GPTRecipe:
    """The default recipe as JSON has it, with another model."""
    return GPTRecipe.model_validate({**json.loads(gpt().model_dump_json()), "model": model})


@pytest.mark.parametrize("family", [GPT2, LLAMA, QWEN3], ids=lambda family: family.name)
def test_a_familys_parts_make_a_recipe_and_its_model(family: Family) -> None:
    recipe = recipe_with({**family.parts, "blocks": 1, "heads": 2, "width": 16, "context": 8})
    with torch.device("meta"):
        model = make_gpt(recipe, 11)
    assert family_of(model.architecture) is family
    assert recipe.model.resolved() == model.architecture


@pytest.mark.parametrize("name", GPT_RECIPES)
def test_a_recipe_comes_back_from_json_as_it_was(name: str) -> None:
    recipe = GPT_RECIPES[name]()
    content = json.loads(recipe.model_dump_json())
    assert set(content["model"]) == {field.name for field in fields(Architecture)}
    assert GPTRecipe.model_validate(content) == recipe


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"heads": 3}, "3 heads cannot share 128 numbers evenly"),
        ({"heads": 4, "key_heads": 3}, "4 heads cannot share 3 heads of keys evenly"),
        ({"positions": "rotary", "channels": 7}, "a head has 7; choose an even number"),
        ({"norm": "batch"}, "no norm 'batch'; choose one of: layer, rms"),
        ({"score": "cross"}, "no score 'cross'; choose one of: dot"),
        ({"feed_forward": "elu"}, "no feed-forward part 'elu'; choose one of: gelu, gelu-tanh, relu, swiglu"),
        ({"hidden": 0}, "at least 1; got .*hidden 0"),
        ({"epsilon": 0.0}, "expected a rotary_base above 0 and an epsilon above 0, of 1 at most"),
        ({"dropout": 1.0}, "from 0 to below 1; got 1.0"),
        ({"blocks": "many"}, "valid integer"),
        ({"kind": "bert"}, "[Uu]nexpected keyword argument"),
        ("gpt2", "dictionary or an instance of Architecture"),
    ],
)
def test_what_makes_no_model_is_refused(parts: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe_with(parts)


def test_runs_from_before_say_model_for_the_width() -> None:
    before = {"kind": "gpt2", "blocks": 4, "heads": 4, "model": 128, "context": 64, "bias": False, "dropout": 0.0}
    assert recipe_with(before).model == Architecture(bias=False)
    later = {"blocks": 2, "heads": 2, "model": 32, "context": 16, "positions": "rotary", "hidden": None, "tied": False}
    assert recipe_with(later).model == Architecture(16, 32, 2, 2, positions="rotary", tied=False)
