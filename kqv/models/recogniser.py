"""What every recogniser of pictures has in common: pictures to numbers, the cost of its outputs, and its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.modes import in_evaluation_mode
from kqv.operations import argmax, binary_cross_entropy, cross_entropy, scale, sigmoid, softmax, squared_error
from kqv.recording import note

Cost = Literal["quadratic", "cross-entropy"]
Output = Literal["sigmoid", "softmax"]


@dataclass(frozen=True)
class Verdict:
    """What a network says of one picture: the class, its position, and a probability for every class."""

    label: str
    position: int
    confidence: float
    probabilities: tuple[float, ...]


class Recogniser(nn.Module):
    """Tells the `classes` of pictures apart; how it computes its outputs is each model's own.

    The last layer's `output` and the `cost` belong together: sigmoid with the quadratic cost (Nielsen ch. 1, eq. (6)),
    sigmoid with the cross-entropy (ch. 3, eq. (63)), softmax with the cross-entropy, which the book calls the
    log-likelihood (ch. 3, eqs. (78), (80)). With the cross-entropy, `forward` gives logits z and the cost takes them:
    so no logarithm sees a zero.
    Raises `Error` for softmax with the quadratic cost, which learns slowly and has no reason.
    """

    def __init__(
        self, pixels: int, classes: Sequence[str], cost: Cost = "cross-entropy", output: Output | None = None
    ) -> None:
        super().__init__()
        if cost == "quadratic" and output == "softmax":
            raise Error("the quadratic cost goes with sigmoid outputs; choose the cost cross-entropy for softmax")
        self.pixels = pixels
        self.classes = tuple(classes)
        self.cost: Cost = cost
        self.output: Output = output or ("softmax" if cost == "cross-entropy" else "sigmoid")

    def describe(self) -> str:
        """What it is, in a few words: `a network [784, 30, 10]`."""
        return f"a network for {self.pixels} pixels and {len(self.classes)} classes"

    def check_input(self, x: Tensor) -> None:
        """Raise `DimensionError` unless x is `[batch, in]` with a number for each pixel."""
        if x.dim() != 2 or x.shape[1] != self.pixels:
            raise DimensionError(f"the network takes x[batch, in={self.pixels}]; got a tensor of shape {list(x.shape)}")

    def vector(self, pictures: Tensor) -> Tensor:
        """Bytes `[batch, row, column]` from 0 to 255 as the network's input: numbers from 0 to 1, `[batch, in]`."""
        if pictures.dim() != 3 or pictures.shape[1] * pictures.shape[2] != self.pixels:
            raise DimensionError(
                f"the network takes pictures[batch, row, column] of {self.pixels} pixels; "
                f"got a tensor of shape {list(pictures.shape)}"
            )
        flat = note("pixels", pictures, "batch row column").reshape(len(pictures), -1)
        return scale(flat.to(next(self.parameters()).dtype), factor=1 / 255)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The cost of outputs `[batch, class]` for the right labels `[batch]`: a mean over the batch."""
        labels = note("labels", labels, "batch")
        if self.output == "softmax":
            return note("cost", cross_entropy(outputs, labels), "", symbol="C")
        one_hot = note("one_hot", nn.functional.one_hot(labels, outputs.shape[1]), "batch class")
        wanted = note("wanted", one_hot.to(outputs.dtype), "batch class", symbol="y")
        return note("cost", self.mean_cost_of(outputs, wanted, labels), "", symbol="C")

    def mean_cost_of(self, outputs: Tensor, wanted: Tensor, labels: Tensor) -> Tensor:
        """The cost of outputs `[batch, class]` for wanted outputs `[batch, class]`, with softmax for the right labels
        `[batch]`: a mean over the batch."""
        if self.output == "softmax":
            return cross_entropy(outputs, labels)
        return (binary_cross_entropy if self.cost == "cross-entropy" else squared_error)(outputs, wanted)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Confidence for each class, `[batch, class]`, from what `forward` gave: logits, or with the quadratic cost the
        probabilities themselves."""
        if self.cost == "quadratic":
            return outputs
        probabilities = softmax(outputs) if self.output == "softmax" else sigmoid(outputs)
        return note("confidence", probabilities, "batch class")

    @torch.no_grad()
    def classify(self, pictures: Tensor) -> list[Verdict]:
        """The verdict on each picture of bytes `[batch, row, column]`, light ink on dark ground."""
        with in_evaluation_mode(self):
            outputs = self(self.vector(pictures))
        probabilities = self.probabilities(outputs)
        positions = note("verdict", argmax(outputs), "batch")
        return [
            Verdict(self.classes[position], position, float(row[position]), tuple(float(each) for each in row))
            for position, row in zip(positions.tolist(), probabilities, strict=True)
        ]
