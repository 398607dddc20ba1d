"""Convolution and max-pooling at the edges: equal and unknown numbers, what is left over, other orders in memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kqv.operations import convolution, max_pooling
from kqv.recording import note
from kqv.trace.trace import Trace

INFINITE, NAN = float("inf"), float("nan")
WINDOWS = [
    [2.0, 2.0, 1.0, 2.0], [1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0], [-0.0, 0.0, -1.0, 0.0], [-INFINITE] * 4,
    [1.0, INFINITE, 0.0, INFINITE], [1.0, NAN, 3.0, 2.0], [NAN, 1.0, NAN, INFINITE],
]  # fmt: skip


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_max_pooling_of_equal_and_unknown_numbers(window: list[float]) -> None:
    x = torch.tensor(window).reshape(1, 1, 2, 2).requires_grad_()
    expected = F.max_pool2d(x, 2)
    (wanted,) = torch.autograd.grad(expected.sum(), x)
    with Trace() as trace:
        y = max_pooling(note("x", x, "batch in row column"))
        y.sum().backward()
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)
    assert x.grad is not None
    assert torch.equal(x.grad, wanted)
    for position in range(4):
        explanation = trace.explain(trace["x"].cell_at(position, "backward"))
        assert explanation.expression is not None
        assert explanation.expression.value() == float(wanted.flatten()[position])


@pytest.mark.usefixtures("pair")
def test_what_no_window_covers_gets_no_gradient() -> None:
    x = torch.randn(2, 3, 5, 7, requires_grad=True)
    (gradient,) = torch.autograd.grad(max_pooling(x).sum(), x)
    assert gradient[:, :, 4].abs().sum() == gradient[..., 6].abs().sum() == 0
    assert gradient.sum() == 2 * 3 * 2 * 3


@pytest.mark.usefixtures("pair")
def test_pictures_with_their_channels_last_in_memory() -> None:
    torch.manual_seed(6)
    x, weight = torch.randn(2, 3, 7, 6), torch.randn(4, 3, 3, 2)

    def everything(x: Tensor, weight: Tensor) -> list[Tensor]:
        inputs = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
        y = max_pooling(convolution(*inputs, padding=1))
        return [y, *torch.autograd.grad(y.square().sum(), inputs)]

    odd = [tensor.to(memory_format=torch.channels_last) for tensor in (x, weight)]
    assert not any(tensor.is_contiguous() for tensor in odd)
    for found, expected in zip(everything(*odd), everything(x, weight), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("needed", [(False, True, True), (True, False, False), (False, False, True)], ids=str)
def test_the_kernel_of_convolution_gives_only_the_gradients_that_are_wanted(needed: tuple[bool, ...]) -> None:
    kernel = convolution.kernel
    assert kernel is not None
    output, saved = kernel.forward(torch.randn(2, 1, 5, 5), torch.randn(3, 1, 2, 2), torch.randn(3))
    found = kernel.backward(saved, torch.ones_like(output), needed)
    assert tuple(gradient is not None for gradient in found) == needed
