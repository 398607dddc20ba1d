"""A GPT's plan has the parts of `GPT` by the same names, and refuses what makes no model."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from kqv.models.families import GPT2, LLAMA, QWEN3, Family, family_of
from kqv.models.gpt import GPT
from kqv.training.gpt import make_gpt
from kqv.training.gpt_recipes import GPTPlan, gpt


def test_the_plan_has_the_models_parts_and_their_defaults() -> None:
    parameters = inspect.signature(GPT).parameters
    own = {name for name in parameters if name not in ("vocab", "written_out")}
    assert set(GPTPlan.model_fields) == own
    for name, field in GPTPlan.model_fields.items():
        default = parameters[name].default
        if default is not inspect.Parameter.empty and name != "bias":  # recipes train without biases
            assert field.default == default, name


@pytest.mark.parametrize("family", [GPT2, LLAMA, QWEN3], ids=lambda family: family.name)
def test_a_familys_parts_make_a_plan_and_its_model(family: Family) -> None:
    plan = GPTPlan(**family.parts, blocks=1, heads=2, model=16, context=8)
    with torch.device("meta"):
        model = make_gpt(gpt().model_copy(update={"model": plan}), 11)
    assert family_of(model) is family
    assert GPTPlan(**model.parts).model_dump() == model.parts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"heads": 3}, "3 heads cannot share 128 numbers evenly"),
        ({"heads": 4, "key_heads": 3}, "4 heads cannot share 3 heads of keys evenly"),
        ({"positions": "rotary", "channels": 7}, "a head has 7; choose an even number"),
        ({"norm": "batch"}, "'layer' or 'rms'"),
        ({"feed_forward": "relu"}, "'gelu', 'gelu-tanh' or 'swiglu'"),
        ({"hidden": 0}, "greater than 0"),
        ({"kind": "bert"}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_model_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GPTPlan(**parts)


def test_a_plan_from_before_there_were_parts_is_gpt2s() -> None:
    older = {"kind": "gpt2", "blocks": 4, "heads": 4, "model": 128, "context": 64, "bias": False, "dropout": 0.0}
    assert GPTPlan.model_validate(older) == GPTPlan()
