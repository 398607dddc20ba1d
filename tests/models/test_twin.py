"""The whole GPT against a twin from PyTorch's own layers: every gradient by name, and the first losses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import torch
from twins import PATHS, batch, distance, gpt, gradients, plain_twin

from benchmarks.plain_gpt import plain_loss
from kqv.operations import OPERATIONS, cross_entropy

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


@pytest.fixture(params=["kernels", "definitions"])
def _computed_by(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compute with the kernels, as always; or with the forward and backward written by hand in every operation."""
    with ExitStack() as stack:
        if request.param == "definitions":
            for operation in OPERATIONS.values():
                stack.enter_context(operation.replaced(operation.definition))
        yield


@pytest.mark.usefixtures("_computed_by")
@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_every_gradient_is_the_twins(path: str, dtype: torch.dtype, bias: bool) -> None:
    model = gpt(PATHS[path], dtype, bias)
    twin = plain_twin(model, bias)
    ids, targets = batch()
    loss, twin_loss = cross_entropy(model(ids), targets), plain_loss(twin(ids), targets)
    loss.backward()
    twin_loss.backward()
    assert loss.item() == pytest.approx(twin_loss.item(), rel=TOLERANCE[dtype])
    found, expected = gradients(model), gradients(twin)
    assert found.keys() == expected.keys()
    largest = max(float(gradient.norm()) for gradient in expected.values())
    for name in found:
        # a key's bias moves all scores of a query alike, so its true gradient is 0 and only rounding is left of it
        room = TOLERANCE[dtype] * (float(expected[name].norm()) + 0.01 * largest)
        assert float((found[name] - expected[name]).norm()) <= room, name


@pytest.mark.usefixtures("_computed_by")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_first_losses_of_a_training_are_the_twins(path: str, dtype: torch.dtype) -> None:
    model = gpt(PATHS[path], dtype)
    twin = plain_twin(model)
    losses: dict[str, list[float]] = {"ours": [], "twin's": []}
    for name, trained, loss_of in (("ours", model, cross_entropy), ("twin's", twin, plain_loss)):
        optimizer = torch.optim.AdamW(trained.parameters(), lr=3e-3)
        for step in range(6):
            ids, targets = batch(seed=10 + step % 2)
            optimizer.zero_grad()
            loss = loss_of(trained(ids), targets)
            loss.backward()
            optimizer.step()
            losses[name].append(loss.item())
    assert losses["ours"] == pytest.approx(losses["twin's"], rel=TOLERANCE[dtype])
    assert losses["ours"][-2] < losses["ours"][0] - 0.1, "the training has to move far enough to tell"


def test_the_comparison_tells_a_wrong_derivative() -> None:
    def too_large(saved: tuple[torch.Tensor, ...], gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (1.001 * OPERATIONS["gelu"].backward(saved, gradient)[0],)

    model = gpt(written_out=False)
    twin = plain_twin(model)
    ids, targets = batch()
    gelu = OPERATIONS["gelu"]
    with gelu.replaced(type(gelu.pair)(gelu.forward, too_large)):
        cross_entropy(model(ids), targets).backward()
    plain_loss(twin(ids), targets).backward()
    found, expected = gradients(model), gradients(twin)
    name = "blocks.0.feed_forward.widen.weight"
    assert distance(found[name], expected[name]) > 1e-4
