"""A model is never made larger than the tensors that it is made for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from kqv.errors import RunError
from kqv.fitting import fitted
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT
from kqv.models.network import Network
from kqv.tensors import weights_of

SMALL = {"context": 8, "width": 16, "heads": 2, "blocks": 2}
CONFIG = Path("run/config.json")


@pytest.mark.parametrize("size", ["blocks", "width", "hidden", "context"])
def test_a_configuration_cannot_claim_more_than_the_file_has(size: str) -> None:
    tensors = weights_of(GPT(20, Architecture(**SMALL)))
    claimed = Architecture(**{**SMALL, size: 2**28})
    start = time.process_time()
    with pytest.raises(RunError, match=r"run/config.json speaks of a larger model than run/model.safetensors has"):
        fitted(lambda: GPT(20, claimed), tensors, "run/model.safetensors", CONFIG)
    assert time.process_time() - start < 5


def test_a_network_of_a_thousand_million_neurons_is_refused() -> None:
    tensors = weights_of(Network([64, 30, 10]))
    with pytest.raises(RunError, match="larger model"):
        fitted(lambda: Network([64, 10**9, 10]), tensors, "run/model.safetensors", CONFIG)


def test_what_fits_is_made_and_nothing_is_left_behind() -> None:
    model = GPT(20, Architecture(**SMALL))
    found = fitted(lambda: GPT(20, Architecture(**SMALL)), weights_of(model), "file", CONFIG)
    assert not found.training
    assert all(torch.equal(weights_of(found)[name], tensor) for name, tensor in weights_of(model).items())
    assert torch.empty(1 << 23).numel() == 1 << 23  # the limits hold inside alone
    GPT(20, Architecture(**{**SMALL, "blocks": 12}))
