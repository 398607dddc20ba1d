"""Whoever needs evaluation mode gives every module its own mode back, not only the model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from twins import batch, gpt

from kqv.evaluation.text import score_text
from kqv.generation.predictor import Cached, Recomputing
from kqv.models.gpt import GPT
from kqv.models.modes import in_evaluation_mode, in_mode
from kqv.models.network import Network
from kqv.trace.trace import Trace


def modes(model: torch.nn.Module) -> dict[str, bool]:
    return {name: module.training for name, module in model.named_modules()}


def traced(model: GPT) -> None:
    with Trace(model):
        model(batch()[0])


USES: dict[str, Callable[[GPT], object]] = {
    "generation": lambda model: Cached(model).prefill(batch()[0]),
    "recomputing": lambda model: Recomputing(model).prefill(batch()[0]),
    "trace": traced,
    "evaluation": lambda model: score_text(model, batch()[0].flatten().numpy(), 4, 1.0, torch.device("cpu")),
}


@pytest.mark.parametrize("whole", [True, False], ids=["a model in training", "a model in evaluation"])
@pytest.mark.parametrize("use", USES)
def test_every_module_is_in_its_own_mode_afterwards(use: str, whole: bool) -> None:
    model = gpt(written_out=False, dropout=0.3, dtype=torch.float32).train(whole)
    model.blocks[0].train(not whole)
    before = modes(model)
    assert set(before.values()) == {True, False}
    USES[use](model)
    assert modes(model) == before


def test_no_module_drops_anything_inside() -> None:
    model, plain = gpt(written_out=False, dropout=0.3), gpt(written_out=False)
    ids, _ = batch()
    model.eval().blocks[0].train()
    assert not torch.equal(model(ids), plain(ids))
    with in_evaluation_mode(model):
        assert torch.equal(model(ids), plain(ids))
    torch.testing.assert_close(Recomputing(model).prefill(ids), plain(ids)[:, -1], rtol=1e-12, atol=1e-12)


def test_modes_come_back_after_a_failure_too() -> None:
    model = gpt(written_out=False)
    model.blocks[1].eval()
    before = modes(model)
    with pytest.raises(ValueError, match="oh"), in_mode(model, training=False):
        raise ValueError("oh")
    assert modes(model) == before


def test_a_classifier_keeps_its_modes() -> None:
    network = Network([4, 3, 2], dropout=0.5)
    network.layers[0].eval()
    before = modes(network)
    network.classify(torch.zeros(1, 2, 2, dtype=torch.uint8))
    assert modes(network) == before
