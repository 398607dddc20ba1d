"""Embedding: each token's id picks a row of a table; in the tied head the same table turns back into logits."""

from __future__ import annotations

import torch
from torch import Tensor

from kqv.arithmetic import Expression, Index, Total
from kqv.operations.operation import Call, Operation, Pair, Saved


def forward(weight: Tensor, ids: Tensor) -> tuple[Tensor, Saved]:
    return weight[ids], (ids, weight.shape)


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    ids, shape = saved
    table = torch.zeros(shape, dtype=gradient.dtype, device=gradient.device)
    return table.index_add(0, ids.reshape(-1), gradient.reshape(-1, shape[1])), None


def kernel_forward(weight: Tensor, ids: Tensor) -> tuple[Tensor, Saved]:
    return torch.nn.functional.embedding(ids, weight), (ids, weight.shape)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    ids, shape = saved
    return torch.ops.aten.embedding_dense_backward(gradient, ids, shape[0], -1, False), None


def derive(call: Call, index: Index) -> Expression:
    *where, place = index
    return call.weight[call.ids.source.integer(tuple(where)), place]


def derive_weight(call: Call, index: Index) -> Expression:
    row, place = index
    uses = call.ids.source.places_of(row)
    return Total(tuple(call.gradient[*use, place] for use in uses))


embedding = Operation(
    name="embedding",
    formula="y[…,model] = W[id[…],model]",
    gradients={"weight": "∂C/∂W[vocab,model] = Σ over all places with that id of ∂C/∂y[place,model]"},
    dimensions={"weight": "vocab model", "ids": "...", "output": "... model"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"weight": derive_weight},
    source="Bengio et al. 2003, A Neural Probabilistic Language Model, section 2; Vaswani et al. 2017, section 3.4",
)
