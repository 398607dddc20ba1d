"""ALiBi: a score loses the more, the further its key is from its query. Positions need no vectors then."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from kqv.arithmetic import Expression, Index, fixed, greatest
from kqv.errors import DimensionError
from kqv.operations.mask import last_seen
from kqv.operations.operation import Call, Operation, Saved


def slopes(heads: int) -> list[float]:
    """How much a score of each head loses for each position of distance: 2^(−8/n), 2^(−16/n), … for n heads.

    Where n is no power of two, those of the next smaller power, then every other one of twice that many, as the paper's
    code has it.
    """
    power = 1 << int(math.log2(heads))
    found = [2.0 ** (-8 * (head + 1) / power) for head in range(power)]
    return found + [2.0 ** (-4 * (head + 1) / power) for head in range(0, 2 * (heads - power), 2)]


def forward(x: Float[Tensor, "*lead query key"], *, heads: int) -> tuple[Float[Tensor, "*lead query key"], Saved]:
    """y[query,key] = x[query,key] − m·|position of the query − key|, with a slope m for each head (`slopes`).

    The heads are the axis in front of the queries, or the two in front of them where heads share keys. The last query
    stands at the last key: with a cache there are fewer queries than keys.
    """
    return x - _slopes(x, heads) * _distances(x), ()


def backward(saved: Saved, gradient: Float[Tensor, "*lead query key"]) -> tuple[Tensor | None, ...]:
    """∂C/∂x = ∂C/∂y: what is taken off is fixed."""
    return (gradient,)


def _head_axes(shape: tuple[int, ...], heads: int) -> tuple[int, ...]:
    """Sizes of the axes that are the heads. Raises `DimensionError` where there are other ones."""
    for first in range(len(shape) - 2, -1, -1):
        axes = tuple(shape[first:-2])
        if math.prod(axes) == heads:
            return axes
    raise DimensionError(f"alibi: expected {heads} heads in front of query and key; got x{list(shape)}")


def _slopes(x: Tensor, heads: int) -> Tensor:
    return torch.tensor(slopes(heads), dtype=x.dtype, device=x.device).view(*_head_axes(tuple(x.shape), heads), 1, 1)


def _distances(x: Tensor) -> Tensor:
    """How far each key is from each query, `[query, key]`."""
    queries, keys = x.shape[-2:]
    own: Tensor = torch.arange(queries, device=x.device) + last_seen(0, queries, keys)
    distances = own[:, None] - torch.arange(keys, device=x.device)
    return distances.abs().to(x.dtype)


def derive(call: Call, index: Index) -> Expression:
    *lead, query, key = index
    heads = int(call.options["heads"])
    head = 0
    axes = _head_axes(call.x.shape, heads)
    for position, size in zip(lead[len(lead) - len(axes) :], axes, strict=True):
        head = head * size + position
    ahead = last_seen(query, *call.x.shape[-2:]) - key
    distance = greatest(ahead, -1 * ahead)
    return call.x[index] - fixed(head, heads, slopes(heads).__getitem__, distance)


def derive_x(call: Call, index: Index) -> Expression:
    return call.gradient[index]


alibi = Operation(
    name="alibi",
    formula="y[query,key] = x[query,key] − m·|position of the query − key|, m = 2^(−8/n), 2^(−16/n), … for n heads",
    gradients={"x": "∂C/∂x = ∂C/∂y"},
    dimensions={"x": "... query key", "output": "... query key"},
    forward=forward,
    backward=backward,
    derive=derive,
    derivatives={"x": derive_x},
    precision="full",
    source="Press, Smith, Lewis 2022, Train Short, Test Long: Attention with Linear Biases, section 3",
)
