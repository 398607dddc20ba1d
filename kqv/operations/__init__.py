"""The mathematics: one file is one operation, with its formula, its gradient and the derivation of its numbers."""

from __future__ import annotations

from kqv.operations.add import add
from kqv.operations.attention import attention
from kqv.operations.cross_entropy import cross_entropy
from kqv.operations.embedding import embedding
from kqv.operations.gelu import gelu, gelu_tanh
from kqv.operations.layer_norm import layer_norm
from kqv.operations.linear import linear
from kqv.operations.mask import mask
from kqv.operations.matmul import matmul
from kqv.operations.operation import Operation, Pair
from kqv.operations.scale import scale
from kqv.operations.softmax import softmax

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        linear, matmul, add, scale, mask, softmax, gelu, gelu_tanh, layer_norm, embedding, cross_entropy, attention,
    )  # fmt: skip
}
"""All operations by name; tests, the formula page and the lab read this table."""

__all__ = [
    "OPERATIONS", "Operation", "Pair", "add", "attention", "cross_entropy", "embedding", "gelu", "gelu_tanh",
    "layer_norm", "linear", "mask", "matmul", "scale", "softmax",
]  # fmt: skip
