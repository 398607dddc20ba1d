"""The mathematics: one file is one operation, with its formula, its gradient and the derivation of its numbers."""

from __future__ import annotations

from kqv.operations.add import add
from kqv.operations.alibi import alibi
from kqv.operations.argmax import argmax
from kqv.operations.attention import attention
from kqv.operations.binary_cross_entropy import binary_cross_entropy
from kqv.operations.convolution import convolution
from kqv.operations.cross_entropy import cross_entropy
from kqv.operations.dropout import draw_mask, dropout
from kqv.operations.embedding import embedding
from kqv.operations.flip import flip
from kqv.operations.gelu import gelu, gelu_tanh
from kqv.operations.layer_norm import layer_norm
from kqv.operations.linear import linear
from kqv.operations.mask import mask
from kqv.operations.matmul import matmul
from kqv.operations.max_pooling import max_pooling
from kqv.operations.multiply import multiply
from kqv.operations.operation import Operation, Pair
from kqv.operations.periodic import periodic
from kqv.operations.reciprocal import reciprocal
from kqv.operations.relu import relu
from kqv.operations.relu_weights import relu_weights
from kqv.operations.rms_norm import rms_norm
from kqv.operations.rotary import rotary
from kqv.operations.scale import scale
from kqv.operations.sigmoid import sigmoid
from kqv.operations.sigmoid_weights import sigmoid_weights
from kqv.operations.silu import silu
from kqv.operations.sinusoidal import sinusoidal
from kqv.operations.softmax import softmax
from kqv.operations.softmax1 import softmax1
from kqv.operations.square import square
from kqv.operations.squared_error import squared_error
from kqv.operations.squared_length import squared_length
from kqv.operations.symmetric_divergence import symmetric_divergence
from kqv.operations.tanh import tanh
from kqv.operations.unit_length import unit_length

# fmt: off
OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        linear, convolution, max_pooling, matmul, add, multiply, scale, square, reciprocal, flip, squared_length,
        sigmoid, tanh, relu, gelu, gelu_tanh, silu,
        mask, softmax, softmax1, sigmoid_weights, relu_weights, attention,
        layer_norm, rms_norm, unit_length, dropout,
        embedding, sinusoidal, periodic, rotary, alibi,
        squared_error, binary_cross_entropy, cross_entropy, symmetric_divergence, argmax,
    )
}
"""All operations by name; tests, the formula page and the lab read this table."""

__all__ = [
    "OPERATIONS", "Operation", "Pair", "add", "alibi", "argmax", "attention", "binary_cross_entropy", "convolution",
    "cross_entropy", "draw_mask", "dropout", "embedding", "flip", "gelu", "gelu_tanh", "layer_norm", "linear",
    "mask", "matmul", "max_pooling", "multiply", "periodic", "reciprocal", "relu", "relu_weights", "rms_norm",
    "rotary", "scale", "sigmoid", "sigmoid_weights", "silu", "sinusoidal", "softmax", "softmax1", "square",
    "squared_error", "squared_length", "symmetric_divergence", "tanh", "unit_length",
]
