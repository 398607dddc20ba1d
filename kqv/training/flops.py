"""How much a training step computes, and how much the machine can: their quotient says how well a step uses it."""

from __future__ import annotations

import time

import torch

from kqv.models.attention import Attention
from kqv.models.gpt import GPT
from kqv.models.layers import Linear
from kqv.operations.products import times_transposed

MEASURED_SECONDS = 0.2
CPU_SIZE = 512  # three float32 matrices of a megabyte each: they fit the caches
GPU_SIZE = 4096


def flops_per_token(model: GPT, context: int) -> int:
    """Floating-point operations of one token's forward and backward pass: 6·weights + 12·blocks·width·context.

    A weight multiplies and adds once forward and twice backward; the second part are attention's products, of which no
    half is left out for the mask, and `width` are all heads' numbers (Kaplan et al. 2020, section 2.1; Chowdhery et al.
    2022, PaLM, appendix B). Only weights of matrix products count: not norms, biases and embeddings, but a table that
    is the head as well.
    """
    weights = sum(one.weight.numel() for one in model.modules() if isinstance(one, Linear))
    if model.unembedding is None:
        weights += model.tokens.weight.numel()
    widths = sum(one.heads.widths[0] for one in model.modules() if isinstance(one, Attention))
    return 6 * weights + 12 * widths * context


def matrix_product_peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of the fastest of several matrix products, measured for a moment."""
    size = CPU_SIZE if device.type == "cpu" else GPU_SIZE
    x = torch.ones(size, size, dtype=dtype, device=device)
    best, end = float("inf"), time.perf_counter() + MEASURED_SECONDS
    with torch.no_grad():
        _wait(times_transposed(x, x))
        while best == float("inf") or time.perf_counter() < end:  # once also where the machine pauses for longer
            began = time.perf_counter()
            _wait(times_transposed(x, x))
            best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def _wait(tensor: torch.Tensor) -> None:
    """Until a GPU, which computes behind our back, has the number."""
    if tensor.device.type != "cpu":
        float(tensor[0, 0])
