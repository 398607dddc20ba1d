"""First weights by name: equal where name and shape agree, and plain training draws as it always did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.models.network import Network
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.tensors import weights_of
from kqv.training.first_weights import with_first_weights
from kqv.training.plans import TrainingPlan
from kqv.training.randomness import seed_all

IN_ORDER = TrainingPlan(learning_rate=0.1, batch=1, seed=3)
BY_NAME = IN_ORDER.model_copy(update={"first_weights": "by-name"})
SMALL = Architecture(blocks=2, width=16, heads=2, context=8)
TINY = TranslatorArchitecture(width=16, heads=2, hidden=24, encoder_blocks=1, decoder_blocks=1, context=8)
MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], set[str]]] = {
    "gpt": (lambda: GPT(11, SMALL), lambda: GPT(11, replace(SMALL, positions="rotary")), set()),
    "translate": (lambda: Transformer(11, None, TINY), lambda: Transformer(11, None, replace(TINY, norm="rms")), set()),
    "digits": (lambda: Network([40, 30, 20, 2]), lambda: Network([40, 30, 24, 2]), set()),
}


@pytest.mark.parametrize("name", MODELS)
def test_in_order_draws_what_was_always_drawn(name: str) -> None:
    make = MODELS[name][0]
    seed_all(3)
    plain = weights_of(make())
    after = torch.rand(1)
    drawn = weights_of(with_first_weights(make, IN_ORDER))
    assert all(torch.equal(plain[key], drawn[key]) for key in plain)
    assert torch.equal(after, torch.rand(1)), "dropout draws what it always drew"


@pytest.mark.parametrize("name", MODELS)
def test_by_name_what_agrees_in_name_and_shape_begins_equal(name: str) -> None:
    first, second, _ = MODELS[name]
    ours, theirs = (weights_of(with_first_weights(make, BY_NAME)) for make in (first, second))
    random_one = torch.rand(1)
    with_first_weights(first, BY_NAME)
    assert torch.equal(random_one, torch.rand(1)), "dropout begins the same in both"
    common = [key for key in ours if key in theirs and ours[key].shape == theirs[key].shape]
    assert len(common) > 2
    assert all(torch.equal(ours[key], theirs[key]) for key in common)


@pytest.mark.parametrize("name", MODELS)
def test_in_order_they_would_not(name: str) -> None:
    """The check above can fail: with one generator the weights after the first difference are others."""
    first, second, _ = MODELS[name]
    ours, theirs = (weights_of(with_first_weights(make, IN_ORDER)) for make in (first, second))
    common = [key for key in ours if key in theirs and ours[key].shape == theirs[key].shape]
    if name != "translate":  # norms draw nothing
        assert not all(torch.equal(ours[key], theirs[key]) for key in common)


@pytest.mark.parametrize("name", MODELS)
def test_by_name_has_the_deviations_of_the_initialisation(name: str) -> None:
    make = MODELS[name][0]
    plain, named = weights_of(with_first_weights(make, IN_ORDER)), weights_of(with_first_weights(make, BY_NAME))
    matrices = [key for key in plain if plain[key].dim() == 2]
    assert not any(torch.equal(plain[key], named[key]) for key in matrices)
    for key in matrices:
        assert float(named[key].std()) == pytest.approx(float(plain[key].std()), rel=0.5)
    constants = [key for key in plain if float(plain[key].std()) == 0]
    assert all(torch.equal(plain[key], named[key]) for key in constants)


def test_another_initialisation_scales_the_same_numbers() -> None:
    ours, theirs = (
        with_first_weights(lambda kind=kind: Network([8, 6, 2], initialisation=kind), BY_NAME)  # type: ignore[misc]
        for kind in ("scaled-normal", "he-normal")
    )
    torch.testing.assert_close(ours.layers[0].weight * 2**0.5, theirs.layers[0].weight)
