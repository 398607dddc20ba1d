"""Training in bfloat16 autocast on the CPU: the weights and their gradients stay float32, near those without it."""

from __future__ import annotations

import pytest
import torch
from twins import PATHS, batch, distance, gpt, gradients

from kqv.operations import cross_entropy


@pytest.mark.parametrize("path", PATHS)
def test_gradients_are_float32_and_near(path: str) -> None:
    exact, rounded = (gpt(PATHS[path], torch.float32) for _ in range(2))
    ids, targets = batch()
    expected = cross_entropy(exact(ids), targets)
    with torch.autocast("cpu", torch.bfloat16):
        logits = rounded(ids)
        loss = cross_entropy(logits, targets)
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-2)
    expected.backward()
    loss.backward()
    near = gradients(exact)
    largest = max(float(gradient.norm()) for gradient in near.values())
    for name, gradient in gradients(rounded).items():
        assert gradient.dtype == torch.float32, name
        # bfloat16 keeps 8 bits: an element's error is up to 2⁻⁹ in each of some ten roundings on its way
        assert float((gradient - near[name]).norm()) <= 0.05 * float(near[name].norm()) + 0.005 * largest, name


@pytest.mark.parametrize("path", PATHS)
def test_the_model_learns(path: str) -> None:
    model = gpt(PATHS[path], torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    ids, targets = batch()
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(model(ids), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_autocast_lowers_the_precision_that_the_comparison_sees() -> None:
    model = gpt(written_out=False, dtype=torch.float32)
    ids, _ = batch()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(ids)
    assert 1e-4 < distance(rounded, model(ids)) < 2e-2
