"""Activations of feed-forward layers, by name."""

from __future__ import annotations

from typing import Literal

from kqv.operations import Operation, relu, sigmoid, tanh

Activation = Literal["sigmoid", "tanh", "relu"]

ACTIVATIONS: dict[Activation, Operation] = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}
"""Activations by name."""
