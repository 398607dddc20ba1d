"""Embedding: each token's id picks a row of a table; in the tied head the same table turns back into logits."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kqv.arithmetic import Expression, Index, Sum, same, when
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(
    weight: Float[Tensor, "vocab model"], ids: Int[Tensor, "*positions"]
) -> tuple[Float[Tensor, "*positions model"], Saved]:
    """y[position] = W[id[position]]. Ids below zero or from `vocab` on are refused with an `IndexError`."""
    rows = weight.index_select(0, ids.reshape(-1))
    return rows.reshape(*ids.shape, weight.shape[1]), (ids, weight.shape)


def backward(saved: Saved, gradient: Float[Tensor, "*positions model"]) -> tuple[Tensor | None, ...]:
    """Each row gets the sum of the gradients of all positions that used it; summed at least in float32."""
    ids, shape = saved
    dtype = torch.promote_types(gradient.dtype, torch.float32)
    table = torch.zeros(shape, dtype=dtype, device=gradient.device)
    table.index_add_(0, ids.reshape(-1), gradient.reshape(-1, shape[1]).to(dtype))
    return table.to(gradient.dtype), None


def kernel_forward(weight: Tensor, ids: Tensor) -> tuple[Tensor, Saved]:
    return torch.nn.functional.embedding(ids, weight), (ids, weight.shape)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    ids, shape = saved
    # on the CPU the kernel sums in the gradient's own type, and a sum of ones ends at 256 in bfloat16
    summed = gradient.float() if gradient.dtype.itemsize < 4 and gradient.device.type == "cpu" else gradient
    table = torch.ops.aten.embedding_dense_backward(summed, ids, shape[0], -1, False)
    return table.to(gradient.dtype), None


def derive(call: Call, index: Index) -> Expression:
    *where, position = index
    return call.weight[call.ids.integer(tuple(where)), position]


def derive_weight(call: Call, index: Index) -> Expression:
    row, position = index
    if not call.ids.shape:
        return when(same(call.ids.integer(()), row), Sum(call.gradient[position]), 0.0)
    return Sum(call.gradient.pick(*call.ids.positions_of(row), position))


embedding = Operation(
    name="embedding",
    formula="y[…,model] = W[id[…],model]",
    gradients={"weight": "∂C/∂W[vocab,model] = Σ over all positions with that id of ∂C/∂y[position,model]"},
    dimensions={"weight": "vocab model", "ids": "...", "output": "... model"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"weight": derive_weight},
    source="Bengio et al. 2003, A Neural Probabilistic Language Model, section 2; Vaswani et al. 2017, section 3.4",
)
