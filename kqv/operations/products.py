"""The matrix products of a linear map, by whichever of PyTorch's libraries is faster here.

On processors with AVX-512 that are not Intel's, PyTorch's usual library computes float32 products with half the
processor's width; oneDNN, which PyTorch has too, with all of it. Both compute in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ENOUGH = 3_000_000
"""Multiplications from which on oneDNN's longer way to the product pays."""

FEW_ROWS = 32
"""Up to so many rows it is the weights alone that choose the library: so a row is added up in the same order whatever
stands beside it, as texts that are written together want it (`kqv.generation.batching`)."""

_MANY_WEIGHTS = _ENOUGH // FEW_ROWS
"""From so many weights on oneDNN pays for a few rows too: reading the weights takes the time, and it reads with all
processors."""

_ENOUGH_ROWS = 32
"""With fewer rows than these the transposed products of a gradient are slower there."""

_has_wide_products = torch._C._has_mkldnn and torch.backends.cpu.get_cpu_capability() == "AVX512"


def times_transposed(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·Wᵀ + b: x `[*rows, in]`, weight `[out, in]` in any order in memory, bias `[out]`."""
    if _is_wide(x, weight) or _is_large(x, weight):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]
    return torch.nn.functional.linear(x, weight, bias)


def over_rows(gradient: Tensor, x: Tensor) -> Tensor:
    """Σ_rows gradientᵀ·x: gradient `[rows, out]`, x `[rows, in]`, result `[out, in]`."""
    rows, out = gradient.shape
    if rows < _ENOUGH_ROWS or not _is_wide(x.T, gradient.T):
        return gradient.T @ x
    # the first of the two is copied into order, so the narrower one comes first
    if out <= x.shape[1]:
        return times_transposed(gradient.T, x.T)
    return times_transposed(x.T, gradient.T).T.contiguous()


def _is_wide(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN is to compute x·Wᵀ: a rule over sizes alone, so that the same step always gives the same bits."""
    return x.numel() * weight.shape[0] >= _ENOUGH and _can(x, weight)


def _is_large(x: Tensor, weight: Tensor) -> bool:
    """Whether the weights are so many that oneDNN is to compute x·Wᵀ for any number of rows."""
    return weight.numel() >= _MANY_WEIGHTS and x.numel() > 0 and _can(x, weight)


def _can(x: Tensor, weight: Tensor) -> bool:
    return (
        _has_wide_products
        and x.is_cpu
        and x.dtype == weight.dtype == torch.float32
        and not torch.compiler.is_compiling()
    )
