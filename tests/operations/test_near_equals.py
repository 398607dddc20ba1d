"""Differences of nearly equal numbers: they keep their digits, or the explanation says that they cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from cases import PAIRS, Case
from test_operations import cells, computed_by, traced
from torch import Tensor

from kqv.operations import OPERATIONS
from kqv.trace.explanation import CANCELLED

EXPLAINED = {
    "softmax": "the gradients' mean is taken off them: what is left of equal gradients is their rounding",
    "softmax1": "as softmax",
    "attention": "as softmax, of which it is made; queries of opposite signs give scores near 0",
    "layer_norm": "the mean is taken off numbers that a mean in single precision cannot tell from each other",
    "rms_norm": "its gradient is what a vector has beside the normalised numbers themselves",
    "unit_length": "its gradient is what a vector has beside its own direction",
    "linear": "sums of products of either sign",
    "matmul": "sums of products of either sign",
    "convolution": "sums of products of either sign",
    "embedding": "sums of gradients of either sign",
    "add": "sums of gradients of either sign, where a term is repeated",
    "multiply": "sums of gradients of either sign, where a factor is repeated",
    "periodic": "the cosine of a quarter turn is 0, and π itself is rounded",
    "sinusoidal": "the sine of a large angle, of which single precision holds the turns and a few digits of the rest",
    "rotary": "a vector turned into the direction of an axis",
    "cross_entropy": "with label smoothing p and q are two numbers that happen to be near each other",
    "symmetric_divergence": "two passes may give nearly the same probabilities: it is made of their differences",
    "gelu": "½·(1 + erf x) of a number far below 0",
    "gelu_tanh": "½·(1 + tanh x) of a number far below 0",
    "silu": "1 + x·(1 − σ(x)) near its zero at −1.28",
    "max_pooling": "sums of gradients of either sign, where windows overlap",
}
"""Operations in which large terms may cancel, and why no other form of theirs would help."""


def nearly_equal(number: int, tensor: Tensor) -> Tensor:
    return 10 + 1e-3 * tensor


def nearly_certain(number: int, tensor: Tensor) -> Tensor:
    """The first of each row far above the others; a second input of 1 and 0, as what is wanted."""
    first = torch.zeros_like(tensor)
    if first.numel() and first.dim():
        first[..., 0] = 1
    return first if number else 0.1 * tensor + 14 * first


@pytest.mark.parametrize("change", [nearly_equal, nearly_certain])
@pytest.mark.parametrize(("case", "pair"), PAIRS, ids=[f"{case}-{pair}" for case, pair in PAIRS])
def test_a_tolerance_is_small_beside_its_number_or_it_is_said(
    case: Case, pair: str, change: Callable[[int, Tensor], Tensor]
) -> None:
    given = case.inputs()
    inputs: list[Tensor | None] = [
        tensor
        if tensor is None or not tensor.is_floating_point()
        else change(number, tensor.detach()).requires_grad_(tensor.requires_grad)
        for number, tensor in enumerate(given)
    ]
    if case.operation.name == "cross_entropy" and change is nearly_certain and inputs[1] is not None:
        inputs[1] = torch.zeros_like(inputs[1])
    with computed_by(case.operation, pair):
        trace, output = traced(case, inputs)
    asked = cells(trace, output, "")
    for tensor in inputs:
        if tensor is not None and tensor.requires_grad and tensor.grad is not None:
            asked += cells(trace, tensor, "grad:")
    for cell in asked:
        explanation = trace.cell(cell)
        assert explanation.agrees, cell
        told = "few of its digits are certain" in " ".join(explanation.text().split())
        assert told == explanation.cancels
        if told:
            assert case.operation.name in EXPLAINED, f"{cell} = {explanation.value}, scale {explanation.scale}"
        else:
            assert explanation.tolerance <= 1.01e-5 * CANCELLED * max(abs(explanation.value), 1e-30), cell


def test_every_exception_is_an_operation() -> None:
    assert EXPLAINED.keys() <= OPERATIONS.keys()


@pytest.mark.parametrize("pair", ["definition", "kernel"])
@pytest.mark.parametrize("lead", [0.5, 3.0, 8.0, 14.0, 25.0, 60.0])
def test_a_sure_models_cost_keeps_its_digits(pair: str, lead: float) -> None:
    """−log p of a p that single precision cannot tell from 1, and p − 1: five digits of each."""
    torch.manual_seed(3)
    operation, targets = OPERATIONS["cross_entropy"], torch.tensor([2, 0, 4])
    logits = torch.randn(3, 5)
    logits[torch.arange(3), targets] += lead
    logits.requires_grad_()
    exact = logits.detach().double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact, targets) if lead < 30 else None
    with computed_by(operation, pair):
        found = operation(logits, targets)
        found.backward()
    if expected is None:  # here double precision fails too: the others' parts themselves
        others = exact.detach() - exact.detach().gather(1, targets[:, None])
        parts = others.exp().scatter(1, targets[:, None], 0.0)
        torch.testing.assert_close(found.double(), parts.sum(1).log1p().mean(), rtol=1e-5, atol=0)
        return
    expected.backward()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    assert logits.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-5, atol=0)


@pytest.mark.parametrize("pair", ["definition", "kernel"])
@pytest.mark.parametrize("z", [-25.0, -14.0, -1.0, 0.0, 1.0, 14.0, 25.0])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.25])
def test_a_sure_outputs_cost_keeps_its_digits(pair: str, z: float, y: float) -> None:
    operation = OPERATIONS["binary_cross_entropy"]
    given = torch.tensor([[z]], requires_grad=True)
    exact = torch.tensor([[z]], dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor([[y]])
    with computed_by(operation, pair):
        found = operation(given, wanted)
        found.backward()
    softplus = torch.nn.functional.softplus
    expected = (y * softplus(-exact, threshold=100) + (1 - y) * softplus(exact, threshold=100)).sum()
    expected.backward()
    torch.testing.assert_close(found.double(), expected.detach(), rtol=1e-5, atol=0)
    assert given.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(given.grad.double(), exact.grad, rtol=1e-5, atol=0)
