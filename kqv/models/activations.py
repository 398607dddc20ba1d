"""Activations of feed-forward layers, by name."""

from __future__ import annotations

from typing import Literal

from kqv.operations import Operation, gelu, relu, sigmoid, silu, tanh

Activation = Literal["sigmoid", "tanh", "relu", "gelu", "silu"]

ACTIVATIONS: dict[Activation, Operation] = {
    "sigmoid": sigmoid, "tanh": tanh, "relu": relu, "gelu": gelu, "silu": silu,
}  # fmt: skip
"""Activations by name."""
