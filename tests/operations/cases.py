"""The table that the harness runs: each operation with PyTorch's own function for it, and inputs of several shapes.

A new operation needs one entry in `CASES`: the operation, the reference (same inputs, same options), and one tuple of
inputs for each shape; among them one with single elements and one with an empty batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kqv.operations import (
    Operation,
    add,
    alibi,
    argmax,
    attention,
    binary_cross_entropy,
    convolution,
    cross_entropy,
    dropout,
    embedding,
    flip,
    gelu,
    gelu_tanh,
    layer_norm,
    linear,
    mask,
    matmul,
    max_pooling,
    multiply,
    periodic,
    reciprocal,
    relu,
    relu_weights,
    rms_norm,
    rotary,
    scale,
    sigmoid,
    sigmoid_weights,
    silu,
    sinusoidal,
    softmax,
    softmax1,
    square,
    squared_error,
    squared_length,
    symmetric_divergence,
    tanh,
    unit_length,
)

Make = Callable[[torch.Generator, torch.dtype], Tensor]


@dataclass(frozen=True)
class Case:
    """One operation with PyTorch's own function for it, and how to make its inputs."""

    operation: Operation
    reference: Callable[..., Tensor]
    makes: tuple[Make | None, ...]
    options: dict[str, Any]
    number: int

    def inputs(self, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor | None]:
        """Fresh inputs; those that have a derivative want their gradient."""
        random = torch.Generator().manual_seed(seed)
        made = [None if make is None else make(random, dtype) for make in self.makes]
        names = self.operation.inputs
        return [
            tensor.requires_grad_(name in self.operation.gradients) if tensor is not None else None
            for name, tensor in zip(names, made, strict=False)
        ]

    def __str__(self) -> str:
        shapes = ",".join("-" if t is None else "x".join(map(str, t.shape)) or "scalar" for t in self.inputs())
        return f"{self.operation.name}-{self.number}-{shapes}"


def real(*shape: int) -> Make:
    """Normally distributed numbers."""
    return lambda random, dtype: torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)


def whole(below: int, *shape: int) -> Make:
    """Whole numbers from 0 to `below` − 1."""
    return lambda random, dtype: torch.randint(below, shape, generator=random)


def count(length: int) -> Make:
    """0, 1, 2, …"""
    return lambda random, dtype: torch.arange(length)


def truth(*shape: int) -> Make:
    """True or false, true in two thirds of the positions."""
    return lambda random, dtype: torch.rand(shape, generator=random) < 2 / 3


def share(*shape: int) -> Make:
    """Numbers from 0 to 1."""
    return lambda random, dtype: torch.rand(shape, generator=random, dtype=torch.float64).to(dtype)


def cases(
    operation: Operation, reference: Callable[..., Tensor], *rows: tuple[Make | None, ...], **options: Any
) -> list[Case]:
    """One case for each tuple of inputs."""
    return [Case(operation, reference, row, options, number) for number, row in enumerate(rows)]


def _attention(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None, causal: bool = True) -> Tensor:
    seen = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool)
    seen = seen.tril(key.shape[-2] - query.shape[-2]) if causal else seen
    return F.scaled_dot_product_attention(query, key, value, attn_mask=seen if allowed is None else seen & allowed)


def _sinusoidal(positions: Tensor, model: int) -> Tensor:
    table = torch.zeros(int(positions.max()) + 1 if positions.numel() else 1, model, dtype=torch.float64)
    for position in range(len(table)):
        for i in range(0, model, 2):
            table[position, i] = math.sin(position / 10000 ** (i / model))
            if i + 1 < model:
                table[position, i + 1] = math.cos(position / 10000 ** (i / model))
    return table[positions].to(torch.get_default_dtype())


def _periodic(positions: Tensor, model: int, period: int) -> Tensor:
    hand = torch.polar(torch.ones(positions.shape, dtype=torch.float64), 2 * math.pi * positions.double() / period)
    found = torch.stack((hand.imag, hand.real), -1).repeat(*[1] * positions.dim(), (model + 1) // 2)
    return found[..., :model].to(torch.get_default_dtype())


def _rotary(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    half = x.shape[-1] // 2
    pairs = torch.complex(x[..., :half], x[..., half:])
    angle = torch.outer(positions.double(), base ** (-torch.arange(half, dtype=torch.float64) / half))
    turned = pairs * torch.polar(torch.ones_like(angle), angle).to(pairs.dtype)
    return torch.cat((turned.real, turned.imag), -1)


def _squared_error(a: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(a, y, reduction="sum") / 2 / max(1, a[..., 0].numel())


def _binary_cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    total = F.binary_cross_entropy_with_logits(z, y, reduction="sum")
    return total / max(1, z[..., 0].numel())


def _cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0, ignored: int = -100) -> Tensor:
    rows, aims = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    total = F.cross_entropy(rows, aims, ignore_index=ignored, label_smoothing=smoothing, reduction="sum")
    return total / max(1, int((targets != ignored).sum()))


def _symmetric_divergence(first: Tensor, second: Tensor, targets: Tensor, ignored: int = -100) -> Tensor:
    log_p, log_q = (torch.log_softmax(logits, -1) for logits in (first, second))
    both = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    both = both + F.kl_div(log_p, log_q, reduction="none", log_target=True)
    return both[targets != ignored].sum() / 2 / max(1, int((targets != ignored).sum()))


def _softmax1(x: Tensor) -> Tensor:
    return torch.softmax(torch.cat((torch.zeros_like(x[..., :1].sum(-1, keepdim=True)), x), -1), -1)[..., 1:]


def _sigmoid_weights(x: Tensor) -> Tensor:
    return torch.sigmoid(x - math.log(max(1, x.shape[-1])))


def _relu_weights(x: Tensor) -> Tensor:
    return torch.relu(x) / max(1, x.shape[-1])


def _alibi(x: Tensor, heads: int) -> Tensor:
    slopes = {1: [2**-8], 3: [2**-4, 2**-8, 2**-2], 4: [2**-2, 2**-4, 2**-6, 2**-8]}[heads]
    queries, keys = x.shape[-2:]
    far = (torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)).abs()
    shape = next(x.shape[at:-2] for at in range(x.dim() - 2, -1, -1) if math.prod(x.shape[at:-2]) == heads)
    return x - torch.tensor(slopes, dtype=x.dtype).view(*shape, 1, 1) * far


_QKV = (real(2, 3, 5, 4), real(2, 3, 5, 4), real(2, 3, 5, 4))
_SMALL = ((real(3, 4),), (real(7),), (real(),), (real(1, 1),), (real(0, 4),))
_ROWS = ((real(3, 4),), (real(2, 3, 7),), (real(6),), (real(3, 1),), (real(1, 1),), (real(0, 4),))
_PAIRS = (
    (real(3, 4), real(3, 4)), (real(2, 3, 4), real(3, 4)), (real(4), real(2, 3, 4)), (real(2, 3, 1), real(2, 1, 4)),
    (real(4), real(3, 1, 4)), (real(), real(5)), (real(1), real(1)), (real(0, 4), real(4)),
)  # fmt: skip

CASES: list[Case] = [
    *cases(
        linear, F.linear, (real(4, 5), real(3, 5), real(3)), (real(2, 4, 5), real(3, 5)),
        (real(5), real(3, 5), real(3)), (real(300, 40), real(20, 40), real(20)), (real(1, 1), real(1, 1), real(1)),
        (real(0, 5), real(3, 5), real(3)),
    ),
    *cases(
        convolution, F.conv2d, (real(2, 3, 6, 5), real(4, 3, 3, 2), real(4)), (real(2, 1, 5, 7), real(3, 1, 2, 4)),
        (real(1, 2, 4, 4), real(3, 2, 1, 1), real(3)), (real(2, 2, 3, 4), real(2, 2, 3, 4), real(2)),
        (real(3, 20, 9, 8), real(10, 20, 5, 5), real(10)), (real(1, 1, 1, 1), real(1, 1, 1, 1), real(1)),
        (real(0, 2, 5, 4), real(3, 2, 2, 3), real(3)),
    ),
    *cases(
        convolution, F.conv2d, (real(2, 2, 4, 5), real(3, 2, 3, 3), real(3)), (real(1, 1, 2, 1), real(2, 1, 6, 5)),
        (real(2, 1, 3, 3), real(2, 1, 1, 2), real(2)), (real(1, 1, 1, 1), real(1, 1, 1, 1)), padding=2,
    ),
    *cases(
        max_pooling, partial(F.max_pool2d, kernel_size=2), (real(2, 3, 4, 6),), (real(2, 1, 5, 7),),
        (real(1, 2, 2, 3),), (real(1, 1, 2, 2),), (real(0, 3, 4, 4),),
    ),
    *cases(
        max_pooling, lambda x, size: F.max_pool2d(x, size), (real(2, 2, 7, 3),), (real(1, 3, 9, 11),),
        (real(2, 1, 3, 3),), size=3,
    ),
    *cases(max_pooling, lambda x, size: F.max_pool2d(x, size), (real(1, 1, 1, 1),), (real(2, 2, 3, 4),), size=1),
    *cases(
        matmul, torch.matmul, (real(4, 5), real(5, 3)), (real(2, 3, 4, 5), real(2, 3, 5, 6)),
        (real(2, 4, 5), real(5, 3)), (real(2, 1, 4, 5), real(3, 5, 6)), (real(2, 1, 4, 5), real(1, 3, 5, 2)),
        (real(4, 5), real(3, 1, 5, 2)), (real(1, 1), real(1, 1)), (real(0, 4, 5), real(0, 5, 3)),
    ),
    *cases(add, torch.add, *_PAIRS),
    *cases(multiply, torch.mul, *_PAIRS),
    *cases(scale, lambda x, factor: x * factor, *_SMALL, factor=0.37),
    *cases(square, torch.square, *_SMALL),
    *cases(reciprocal, lambda x, epsilon: x / (x**2 + epsilon), *_SMALL, epsilon=0.01),
    *cases(flip, lambda x: x.flip(-1), (real(3, 4),), (real(2, 3, 5),), (real(7),), (real(1, 1),), (real(0, 4),)),
    *cases(
        squared_length, lambda x: x.square().sum(-1), (real(3, 4),), (real(2, 3, 5),), (real(7),), (real(1, 1),),
        (real(0, 4),),
    ),
    *cases(sigmoid, torch.sigmoid, *_SMALL),
    *cases(tanh, torch.tanh, *_SMALL),
    *cases(relu, torch.relu, *_SMALL),
    *cases(gelu, F.gelu, *_SMALL),
    *cases(gelu_tanh, partial(F.gelu, approximate="tanh"), *_SMALL),
    *cases(silu, F.silu, *_SMALL),
    *cases(
        mask, lambda x, allowed: x.masked_fill(~allowed, -math.inf), (real(3, 4), truth(3, 4)),
        (real(2, 3, 4), truth(3, 4)), (real(2, 2, 3, 4), truth(2, 1, 1, 4)), (real(3, 1), truth(2, 3, 4)),
        (real(1), truth(1)), (real(0, 4), truth(4)),
    ),
    *cases(
        softmax, partial(torch.softmax, dim=-1), (real(3, 4),), (real(2, 3, 7),), (real(6),), (real(3, 1),),
        (real(1, 1),), (real(0, 4),), (real(2, 0, 5),),
    ),
    *cases(softmax1, _softmax1, *_ROWS),
    *cases(sigmoid_weights, _sigmoid_weights, *_ROWS),
    *cases(relu_weights, _relu_weights, *_ROWS),
    *cases(
        attention, _attention, _QKV, (real(2, 3, 4), real(2, 6, 4), real(2, 6, 7)), (real(5, 4),) * 3,
        (real(2, 3, 2, 4), real(2, 3, 6, 4), real(2, 3, 6, 4)), (real(2, 3, 6, 4), real(2, 3, 2, 4), real(2, 3, 2, 4)),
        (*_QKV, truth(2, 1, 1, 5)), (real(1, 1, 1, 1),) * 3, (real(0, 2, 3, 4),) * 3,
    ),
    *cases(
        attention, _attention, _QKV, (real(2, 3, 4, 8), real(2, 3, 6, 8), real(2, 3, 6, 8), truth(2, 1, 4, 6)),
        (real(2, 3, 4), real(2, 6, 4), real(2, 6, 7), truth(6)), (*_QKV, truth(5, 5)), causal=False,
    ),
    *cases(
        layer_norm, lambda x, weight, bias=None, epsilon=1e-5: F.layer_norm(x, x.shape[-1:], weight, bias, epsilon),
        (real(3, 6), real(6), real(6)), (real(2, 3, 6), real(6)), (real(6), real(6), real(6)),
        (real(1, 1), real(1), real(1)), (real(0, 6), real(6), real(6)),
    ),
    *cases(
        rms_norm, lambda x, weight, epsilon: F.rms_norm(x, x.shape[-1:], weight, epsilon), (real(3, 6), real(6)),
        (real(2, 3, 6), real(6)), (real(6), real(6)), (real(1, 1), real(1)), (real(0, 6), real(6)), epsilon=1e-6,
    ),
    *cases(
        unit_length, lambda x, epsilon: x / (x.square().sum(-1, keepdim=True) + epsilon).sqrt(), (real(3, 6),),
        (real(2, 3, 6),), (real(6),), (real(1, 1),), (real(0, 6),), epsilon=1e-6,
    ),
    *cases(
        dropout, lambda x, mask, probability: torch.where(mask, x, 0.0) / (1 - probability), (real(3, 4), truth(3, 4)),
        (real(2, 3, 4), truth(2, 3, 4)), (real(1), truth(1)), (real(0, 4), truth(0, 4)), probability=1 / 3,
    ),
    *cases(
        embedding, lambda weight, ids: F.embedding(ids, weight), (real(7, 4), whole(7, 5)),
        (real(7, 4), whole(7, 2, 3)), (real(7, 4), whole(7)), (real(3, 2), whole(2, 40)),
        (real(1, 1), whole(1, 1)), (real(7, 4), whole(7, 0)),
    ),
    *cases(sinusoidal, _sinusoidal, (count(9),), (whole(500, 2, 3),), (whole(9),), (count(1),), (count(0),), model=6),
    *cases(sinusoidal, _sinusoidal, (count(5),), model=5),
    *cases(periodic, _periodic, (count(9),), (whole(500, 2, 3),), (count(0),), model=6, period=4),
    *cases(periodic, _periodic, (count(5),), model=3, period=1),
    *cases(periodic, _periodic, (count(1),), model=1, period=4),
    *cases(
        rotary, _rotary, (real(5, 8), count(5)), (real(2, 3, 5, 8), whole(500, 5)), (real(2, 1, 2), count(1)),
        (real(0, 3, 5, 4), count(5)),
    ),
    *cases(rotary, _rotary, (real(2, 4, 6), count(4)), base=100.0),
    *cases(alibi, _alibi, (real(2, 4, 5, 5),), (real(4, 2, 7),), (real(2, 2, 2, 3, 3),), (real(0, 4, 5, 5),), heads=4),
    *cases(alibi, _alibi, (real(2, 3, 5, 6),), (real(3, 1, 1),), heads=3),
    *cases(alibi, _alibi, (real(1, 1, 1, 1),), (real(4, 4),), heads=1),
    *cases(
        squared_error, _squared_error, (real(4, 5), real(4, 5)), (real(2, 4, 5), real(2, 4, 5)), (real(5), real(5)),
        (real(1, 1), real(1, 1)), (real(0, 5), real(0, 5)),
    ),
    *cases(
        binary_cross_entropy, _binary_cross_entropy, (real(4, 5), real(4, 5)), (real(3, 5), share(3, 5)),
        (real(2, 4, 5), real(2, 4, 5)), (real(5), real(5)), (real(1, 1), real(1, 1)), (real(0, 5), real(0, 5)),
    ),
    *cases(
        cross_entropy, _cross_entropy, (real(4, 5), whole(5, 4)), (real(2, 4, 5), whole(5, 2, 4)), (real(5), whole(5)),
        (real(1, 1), whole(1, 1)), (real(0, 5), whole(5, 0)),
    ),
    *cases(
        cross_entropy, _cross_entropy, (real(4, 5), whole(5, 4)), (real(3, 6, 5), whole(5, 3, 6)),
        smoothing=0.1, ignored=2,
    ),
    *cases(
        symmetric_divergence, _symmetric_divergence, (real(4, 5), real(4, 5), whole(5, 4)),
        (real(2, 4, 5), real(2, 4, 5), whole(5, 2, 4)), (real(5), real(5), whole(5)),
        (real(130, 3), real(130, 3), whole(3, 130)), (real(1, 1), real(1, 1), whole(1, 1)),
        (real(0, 5), real(0, 5), whole(5, 0)),
    ),
    *cases(
        symmetric_divergence, _symmetric_divergence, (real(4, 5), real(4, 5), whole(5, 4)),
        (real(3, 6, 5), real(3, 6, 5), whole(5, 3, 6)), ignored=2,
    ),
    *cases(
        argmax, partial(torch.argmax, dim=-1), (real(3, 5),), (real(2, 3, 4),), (real(6),), (real(1, 1),),
        (real(0, 5),),
    ),
]  # fmt: skip

PAIRS = [
    (case, name)
    for case in CASES
    for name in ("definition", "kernel")
    if name == "definition" or case.operation.kernel is not None
]
"""Each case with the definition, and with the kernel where there is one."""

MISFITS: list[tuple[Operation, tuple[Make | None, ...], dict[str, Any], str]] = [
    (linear, (real(4, 5), real(3, 6), real(3)), {}, "'in'"),
    (linear, (real(4, 5), real(3, 5), real(4)), {}, "'out'"),
    (linear, (real(4, 5), real(3, 5), real(1)), {}, "'out'"),
    (linear, (real(4, 5), real(2, 3, 5)), {}, "weight"),
    (matmul, (real(4, 5), real(4, 3)), {}, "'inner'"),
    (matmul, (real(5), real(5, 3)), {}, "at least 2"),
    (matmul, (real(2, 4, 5), real(3, 5, 6)), {}, "leading axis"),
    (add, (real(2, 3), real(2, 4)), {}, "axis"),
    (multiply, (real(2, 3), real(3, 3)), {}, "axis"),
    (mask, (real(2, 3), truth(2, 4)), {}, "axis"),
    (attention, (real(2, 3, 5, 4), real(2, 3, 5, 6), real(2, 3, 5, 4)), {}, "'channel'"),
    (attention, (real(2, 3, 5, 4), real(2, 3, 5, 4), real(2, 3, 6, 4)), {}, "'key'"),
    (attention, (real(2, 3, 5, 4), real(1, 3, 5, 4), real(1, 3, 5, 4)), {}, "leading axes"),
    (layer_norm, (real(3, 6), real(1), real(6)), {}, "'in'"),
    (rms_norm, (real(3, 6), real(1)), {}, "'in'"),
    (dropout, (real(3, 6), truth(6)), {"probability": 0.5}, "leading axes"),
    (embedding, (real(7), whole(7, 3)), {}, "weight"),
    (rotary, (real(2, 5, 8), count(4)), {}, "'position'"),
    (rotary, (real(2, 5, 7), count(5)), {}, "even"),
    (squared_error, (real(4, 5), real(5)), {}, "leading axes"),
    (squared_error, (real(4, 5), real(4, 1)), {}, "'out'"),
    (convolution, (real(2, 3, 6, 5), real(4, 2, 3, 3)), {}, "'in'"),
    (convolution, (real(2, 3, 6, 5), real(4, 3, 3, 3), real(3)), {}, "'out'"),
    (convolution, (real(3, 6, 5), real(4, 3, 3, 3)), {}, "4: x"),
    (convolution, (real(2, 15), real(4, 3, 3, 3)), {}, "4: x"),
    (convolution, (real(2, 3, 6, 5), real(4, 3)), {}, "4: weight"),
    (convolution, (real(2, 3, 6, 5), real(4, 3, 7, 3)), {}, "'kernel_row' is 7 .* 'row' is 6"),
    (convolution, (real(2, 3, 6, 5), real(4, 3, 3, 8)), {"padding": 1}, "'kernel_column' is 8 .* 'column' is 5"),
    (convolution, (real(2, 3, 6, 5), real(4, 3, 0, 3)), {}, "'kernel_row' is 0"),
    (convolution, (real(2, 3, 6, 5), real(4, 3, 3, 3)), {"padding": -1}, "padding is -1"),
    (max_pooling, (real(3, 6, 5),), {}, "4: x"),
    (max_pooling, (real(2, 3, 6, 2),), {"size": 3}, "3×3 do not fit"),
    (max_pooling, (real(2, 3, 6, 5),), {"size": 0}, "from 1 to 5"),
    (binary_cross_entropy, (real(4, 5), real(5)), {}, "leading axes"),
    (binary_cross_entropy, (real(4, 5), real(4, 1)), {}, "'out'"),
    (cross_entropy, (real(2, 3, 5), whole(5, 3, 2)), {}, "leading axes"),
    (cross_entropy, (real(6, 5), whole(5, 4)), {}, "leading axes"),
    (symmetric_divergence, (real(3, 5), real(2, 5), whole(5, 3)), {}, "leading axes"),
    (symmetric_divergence, (real(3, 5), real(3, 4), whole(5, 3)), {}, "'class'"),
    (softmax, (real(),), {}, "at least 1"),
    (softmax1, (real(),), {}, "at least 1"),
    (flip, (real(),), {}, "at least 1"),
    (alibi, (real(2, 3, 5, 5),), {"heads": 4}, "4 heads"),
    (argmax, (real(),), {}, "at least 1"),
]
"""Inputs whose sizes do not fit, and a word of the error that says so."""
