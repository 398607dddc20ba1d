"""Weights as the fast step keeps them: a matrix in the type and layout in which it is read fastest for a few rows.

One token at a time, a matrix is read from memory for a single vector: how long that takes is how many bytes it has.
`float32` are the model's own numbers. `float16` and `bfloat16` have half as many bytes, `int8` a quarter: a whole
number from −127 to 127 for each weight and a scale for each row. What the kernels of PyTorch do with them differs:
16 bits are read into float32 and multiplied there; with `int8` and fbgemm (x86) each vector is rounded too, to 256
steps between its smallest and its largest number. A vector's result is the same to the last bit whatever other vectors
are multiplied with it (fbgemm adds up whole numbers, and 16 bits row by row); with float32 if the matrix is kept
`for_company`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from kqv.errors import Error
from kqv.operations.products import times_transposed

Weights = Literal["float32", "float16", "bfloat16", "int8"]

Matrix = Callable[[Tensor], Tensor]
"""x·Wᵀ + b for x `[text, in]`."""

LARGEST = 65_504
"""The largest number in float16."""

WIDE = 1.5
"""A matrix with so many times as many rows as columns is read faster column by column, by MKL and for one vector: 1.2
to 1.9 times as fast."""


ROWS = 4
"""From so many rows on MKL and oneDNN add up a row as they do in any larger product of a multiple of so many."""

MOST_PARTS = 32
"""So many parts of a matrix a thread takes at most."""


def checked_weights(name: str) -> Weights:
    """The name of a type. Raises `Error` that lists them for one that does not exist."""
    if name not in get_args(Weights):
        raise Error(f"there are no weights {name!r}; choose one of: {', '.join(get_args(Weights))}")
    return name  # type: ignore[return-value]


def matrix_of(weights: Weights, weight: Tensor, bias: Tensor | None) -> Matrix:
    """A linear map by weight `[out, in]` and bias `[out]`, kept as `weights` says. Raises `Error` where this build of
    PyTorch has no kernel for it."""
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    made: Matrix = MAKERS[weights](weight, bias)
    return made


def for_company(weight: Tensor, bias: Tensor | None) -> Matrix:
    """The matrix itself, for up to `FEW_ROWS` vectors: the result of each is the same to the last bit whatever others
    are multiplied with it, and if there are none.

    A product adds up a row in the same order whatever stands beside it as long as it has `ROWS` rows or a multiple of
    them: with fewer, other kernels are chosen. So missing rows are filled up."""
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    return lambda x: times_transposed(pad(x, (0, 0, 0, -len(x) % ROWS)), weight, bias)[: len(x)]


def as_given(weight: Tensor, bias: Tensor | None) -> Matrix:
    """The matrix itself, without a copy."""
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    return lambda x: linear(x, weight, bias)


def _float32(weight: Tensor, bias: Tensor | None) -> Matrix:
    """A wide matrix by columns, and the rows in parts: for one vector MKL multiplies one matrix in one thread, but
    several at once in several."""
    has_mkl: bool = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    rows, columns = weight.shape
    is_wide, parts = rows >= WIDE * columns, parts_of(rows, torch.get_num_threads())
    if not has_mkl or not (is_wide or parts > 1):
        return as_given(weight, bias)
    divided = weight.reshape(parts, rows // parts, columns).transpose(1, 2)
    if is_wide:
        divided = divided.contiguous()

    def product(x: Tensor) -> Tensor:
        found = torch.bmm(x.expand(parts, *x.shape), divided).transpose(0, 1).reshape(len(x), rows)
        return found if bias is None else found.add_(bias)

    return product


def parts_of(rows: int, threads: int) -> int:
    """Into how many equal parts the rows of a matrix are divided among threads: one or a few for each, where they can
    be."""
    few = range(threads, min(MOST_PARTS * threads, rows) + 1)
    return next((parts for parts in few if rows % parts == 0), 1)


def _float16(weight: Tensor, bias: Tensor | None) -> Matrix:
    largest = float(weight.abs().max())
    if largest > LARGEST:
        raise Error(f"float16 holds numbers up to {LARGEST:,}, and a weight has size {largest:,.0f}; use bfloat16")
    if not _has_fbgemm():
        return _in_type(weight, bias, torch.float16)
    packed = torch.ops.quantized.linear_prepack_fp16(weight.contiguous(), bias)
    return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)


def _bfloat16(weight: Tensor, bias: Tensor | None) -> Matrix:
    """With fbgemm rounded to bfloat16 and kept as float16, which has more digits and goes down to 6e-8: its kernel is
    twice as fast as that for bfloat16, and leaves the vector as it is."""
    if not _has_fbgemm() or float(weight.abs().max()) > LARGEST:
        return _in_type(weight, bias, torch.bfloat16)
    return _float16(weight.bfloat16().float(), bias)


def _in_type(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Matrix:
    """Vector and matrix both in this type."""
    small, its_bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    return lambda x: linear(x.to(dtype), small, its_bias).float()


def _int8(weight: Tensor, bias: Tensor | None) -> Matrix:
    numbers, scales = rounded(weight)
    if _has_fbgemm():
        return _fbgemm_int8(numbers, scales, bias)
    few = scales.bfloat16()

    def product(x: Tensor) -> Tensor:
        found = torch._weight_int8pack_mm(x.bfloat16(), numbers, few).float()
        return found if bias is None else found.add_(bias)

    return product


def _fbgemm_int8(numbers: Tensor, scales: Tensor, bias: Tensor | None) -> Matrix:
    zeros = torch.zeros(len(numbers), dtype=torch.int64)
    with warnings.catch_warnings():  # tensors of this kind are on their way out of PyTorch; the kernel takes no other
        warnings.simplefilter("ignore")
        tensor = torch._make_per_channel_quantized_tensor(numbers, scales.double(), zeros, 0)
    packed = torch.ops.quantized.linear_prepack(tensor, None)
    multiplied = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
    most = 255 if torch.cpu._is_vnni_supported() else 127  # without those instructions sums of products can overflow
    sums = (numbers.float() * scales.unsqueeze(1)).sum(1)

    def product(x: Tensor) -> Tensor:
        """Of x = low + step·n with whole numbers n from 0 to `most`, each row with its own: step·(n·Wᵀ) + low·Σ W."""
        low, high = torch.aminmax(x, dim=1, keepdim=True)
        step = (high - low).mul_(1 / most).clamp_min_(1e-30)
        found = multiplied((x - low).div_(step), 1.0, 0, packed).mul_(step).addcmul_(low, sums)
        return found if bias is None else found.add_(bias)  # type: ignore[no-any-return]

    return product


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers `[out, in]` from −127 to 127 and a scale for each row, `[out]`: their product is the weight, to
    half a scale."""
    scales = (weight.abs().amax(1) / 127).clamp_min_(1e-30)
    return (weight / scales.unsqueeze(1)).round_().to(torch.int8), scales


def _has_fbgemm() -> bool:
    return torch.backends.quantized.engine in ("x86", "fbgemm")


MAKERS: dict[str, Callable[[Tensor, Tensor | None], Any]] = {
    "float32": _float32, "float16": _float16, "bfloat16": _bfloat16, "int8": _int8,
}  # fmt: skip
"""What keeps a matrix, by the name of its type."""
