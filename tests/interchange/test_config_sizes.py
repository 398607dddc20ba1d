"""Sizes and numbers of a config.json that nobody can compute with are errors in one short line."""

from __future__ import annotations

from typing import Any

import pytest

from kqv.errors import DataError, Error
from kqv.interchange.configs import architecture_in, number, whole_number
from kqv.models.architecture import Architecture
from kqv.models.translator_architecture import TranslatorArchitecture

CONFIG = {"model_type": "gpt2", "vocab_size": 50, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}


@pytest.mark.parametrize("name", ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner"])
@pytest.mark.parametrize("value", [0, -1, 2**31, 10**400, 1e30, float("nan"), True, "8", [8]])
def test_a_size_is_a_whole_number_that_can_be(name: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"{name} is ") as raised:
        architecture_in(CONFIG | {name: value})
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("value", [0, -1e-5, float("nan"), float("inf"), 1e18, 10**400, True, "1e-5", []])
def test_an_epsilon_is_a_small_number_above_0(value: Any) -> None:
    with pytest.raises(DataError, match="layer_norm_epsilon is "):
        architecture_in(CONFIG | {"layer_norm_epsilon": value})


def test_what_can_be_is_taken() -> None:
    assert architecture_in(CONFIG | {"layer_norm_epsilon": 1e-6})[1].epsilon == 1e-6
    assert number({}, "rope_theta", 10_000.0) == 10_000.0
    assert whole_number({"n": 2**31 - 1}, "n") == 2**31 - 1


@pytest.mark.parametrize("kind", [Architecture, TranslatorArchitecture])
@pytest.mark.parametrize("wrong", [
    {"epsilon": float("nan")}, {"epsilon": 1e18}, {"epsilon": 0.0}, {"rotary_base": float("inf")},
    {"width": 10**400}, {"context": 2**31},
])  # fmt: skip
def test_an_architecture_has_such_numbers_alone(kind: type[Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(Error) as raised:
        kind(**wrong)
    assert len(str(raised.value)) < 200
