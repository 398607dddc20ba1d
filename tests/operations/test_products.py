"""The products of linear maps, in sizes where another library may compute them."""

from __future__ import annotations

import pytest
import torch

from kqv.operations import linear
from kqv.operations.products import over_rows, times_transposed

SIZES = [(1, 512, 640), (8, 512, 640), (96, 256, 384), (96, 384, 256), (3000, 32, 64), (40, 300, 300)]


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
def test_products_of_any_size_are_the_products(rows: int, inputs: int, outputs: int) -> None:
    x, weight, gradient = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(rows, outputs)
    bias = torch.randn(outputs)
    exact = x.double() @ weight.double().T
    torch.testing.assert_close(times_transposed(x, weight).double(), exact, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(times_transposed(x, weight, bias).double(), exact + bias, atol=2e-4, rtol=1e-4)
    back = times_transposed(gradient, weight.T).double()
    torch.testing.assert_close(back, gradient.double() @ weight.double(), atol=2e-4, rtol=1e-4)
    summed = over_rows(gradient, x)
    torch.testing.assert_close(summed.double(), gradient.double().T @ x.double(), atol=5e-4, rtol=1e-4)
    assert summed.is_contiguous()


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
def test_the_same_product_has_the_same_bits(rows: int, inputs: int, outputs: int) -> None:
    x, weight = torch.randn(2, rows, inputs), torch.randn(outputs, inputs, requires_grad=True)
    once, again = linear(x, weight), linear(x, weight)
    assert torch.equal(once, again)
    first, second = (torch.autograd.grad(z.square().sum(), weight)[0] for z in (once, again))
    assert torch.equal(first, second)
