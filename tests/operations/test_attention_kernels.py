"""The kernel of attention for GPUs. PyTorch's function behind it runs on a CPU too, and there it is held against the
definition; on a GPU itself it runs where there is one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kqv.operations.attention import attention, cuda_backward, cuda_forward
from kqv.operations.operation import Pair

CUDA = Pair(cuda_forward, cuda_backward)
SIZES = [(5, 5, True), (5, 5, False), (1, 6, True), (3, 6, True), (3, 6, False), (6, 3, False)]
sizes = pytest.mark.parametrize(("queries", "keys", "causal"), SIZES)


def _inputs(queries: int, keys: int, dtype: torch.dtype, device: str = "cpu") -> list[Tensor]:
    """Queries, keys and values as the model has them: heads cut out of rows, so that they do not lie together."""
    drawn = torch.Generator().manual_seed(4)

    def heads(positions: int) -> Tensor:
        rows = torch.randn(2, positions, 3, 8, generator=drawn, dtype=torch.float64).to(device, dtype)
        return rows.transpose(1, 2).requires_grad_()

    return [heads(queries), heads(keys), heads(keys)]


def _learn(pair: Pair, inputs: list[Tensor], causal: bool, times: int = 1) -> tuple[Tensor, ...]:
    """The output, and the gradients after each of `times` backward passes."""
    with attention.replaced(pair):
        output = attention(*inputs, causal=causal)
    direction = torch.linspace(-1, 1, output.numel(), device=output.device).reshape(output.shape).to(output.dtype)
    found = [torch.autograd.grad(output, inputs, direction, retain_graph=True) for _ in range(times)]
    return output.detach(), *(gradient for gradients in found for gradient in gradients)


@sizes
@pytest.mark.parametrize("times", [1, 2])
def test_it_is_the_definition(queries: int, keys: int, causal: bool, times: int) -> None:
    inputs = _inputs(queries, keys, torch.float64)
    found, expected = (_learn(pair, inputs, causal, times) for pair in (CUDA, attention.definition))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_it_runs_where_nothing_is_differentiated() -> None:
    inputs = [tensor.detach() for tensor in _inputs(3, 6, torch.float64)]
    expected = attention(*inputs)
    for without_gradients in (torch.no_grad, torch.inference_mode):
        with attention.replaced(CUDA), without_gradients():
            found = attention(*inputs)
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_what_it_kept_is_let_go_after_the_backward() -> None:
    """Scores of a layer that has learned would still be there when the first layer learns."""
    inputs = _inputs(5, 5, torch.float64)
    with attention.replaced(CUDA):
        output = attention(*inputs)
    output.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        output.sum().backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@sizes
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 5e-2), (torch.float16, 1e-2)], ids=str
)
def test_on_a_gpu(queries: int, keys: int, causal: bool, dtype: torch.dtype, tolerance: float) -> None:
    assert attention.kernel is not None
    there = _learn(attention.kernel, _inputs(queries, keys, dtype, "cuda"), causal)
    exact = [tensor.detach().double().requires_grad_() for tensor in _inputs(queries, keys, dtype)]
    for found, expected in zip(there, _learn(attention.definition, exact, causal), strict=True):
        torch.testing.assert_close(found.double().cpu(), expected, rtol=tolerance, atol=tolerance)
