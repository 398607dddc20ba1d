"""The feed-forward network of the textbook: layer after layer, z = W a + b and a = σ(z)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from kqv.errors import DimensionError, Error
from kqv.models.initialisation import INITIALISATIONS
from kqv.operations import argmax, cross_entropy, linear, relu, scale, sigmoid, softmax, squared_error, tanh
from kqv.operations.dropout import draw_mask, dropout
from kqv.trace.recorder import note

ACTIVATIONS = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}
"""Activations by name."""

Activation = Literal["sigmoid", "tanh", "relu"]
Cost = Literal["quadratic", "cross-entropy"]
Initialisation = Literal["standard-normal", "scaled-normal", "he-normal"]

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(number: int) -> str:
    """A number as the article writes a layer's: 2 as ²."""
    return str(number).translate(_SUPERSCRIPTS)


class Layer(nn.Module):
    """One layer that has weights: z = W a + b, then its activation (`None`: z itself comes out).

    In training each input is switched off with the probability `dropout` (Srivastava et al. 2014).
    `number` is the layer's number in the article, where the input is layer 1: the first layer with weights is 2.
    """

    def __init__(
        self, inputs: int, outputs: int, activation: Activation | None, initialisation: Initialisation, number: int,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        INITIALISATIONS[initialisation](self.weight)
        if initialisation == "standard-normal":
            nn.init.normal_(self.bias)
        self.activation = activation
        self.dropout = dropout
        self.number = superscript(number)

    def forward(self, a: Tensor) -> Tensor:
        if self.dropout and self.training:
            mask = note("mask", draw_mask(a, self.dropout), "batch in")
            a = note("dropped", dropout(a, mask, probability=self.dropout), "batch in")
        weight = note("weight", self.weight, "out in", symbol=f"w{self.number}")
        bias = note("bias", self.bias, "out", symbol=f"b{self.number}")
        z = note("z", linear(a, weight, bias), "batch out", symbol=f"z{self.number}")
        if self.activation is None:
            return z
        return note("a", ACTIVATIONS[self.activation](z), "batch out", symbol=f"a{self.number}")


@dataclass(frozen=True)
class Verdict:
    """What a network says of one picture: the class, its place, and a share of confidence for every class."""

    label: str
    place: int
    confidence: float
    shares: tuple[float, ...]


class Network(nn.Module):
    """A feed-forward network with layers of the given sizes; `Network([784, 30, 10])` is the textbook's.

    Sigmoid layers, the quadratic cost and standard normal weights are the textbook's first network (Nielsen ch. 1);
    with the cross-entropy cost the last layer gives logits, and their softmax the confidence (ch. 3).
    `forward(x[batch, in]) -> activations (quadratic) or logits (cross-entropy) [batch, class]`.
    Raises `Error` for fewer than two layers or a layer without neurons.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation = "sigmoid",
        cost: Cost = "quadratic",
        initialisation: Initialisation = "standard-normal",
        dropout: float = 0.0,
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise Error(
                f"a network needs at least two layers of at least one neuron, as in [784, 30, 10]; got {list(sizes)}"
            )
        self.sizes = tuple(sizes)
        self.cost: Cost = cost
        self.classes = tuple(classes) if classes is not None else tuple(str(place) for place in range(sizes[-1]))
        last: Activation | None = None if cost == "cross-entropy" else "sigmoid"
        activations: list[Activation | None] = [*(activation for _ in sizes[1:-1]), last]
        self.layers = nn.ModuleList(
            Layer(inputs, outputs, name, initialisation, number, dropout if number > 2 else 0.0)  # not of the pixels
            for number, (inputs, outputs, name) in enumerate(
                zip(sizes[:-1], sizes[1:], activations, strict=True), start=2
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or x.shape[1] != self.sizes[0]:
            raise DimensionError(
                f"the network takes x[batch, in={self.sizes[0]}]; got a tensor of shape {list(x.shape)}"
            )
        a = note("x", x, "batch in", symbol="a¹")
        for layer in self.layers:
            a = layer(a)
        return a

    def vector(self, pictures: Tensor) -> Tensor:
        """Bytes `[batch, row, column]` from 0 to 255 as the network's input: numbers from 0 to 1, `[batch, in]`."""
        if pictures.dim() != 3 or pictures.shape[1] * pictures.shape[2] != self.sizes[0]:
            raise DimensionError(
                f"the network takes pictures[batch, row, column] of {self.sizes[0]} pixels; "
                f"got a tensor of shape {list(pictures.shape)}"
            )
        flat = note("pixels", pictures, "batch row column").reshape(len(pictures), -1)
        return scale(flat.to(next(self.parameters()).dtype), factor=1 / 255)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The cost of outputs `[batch, class]` for the right labels `[batch]`: a mean over the batch."""
        labels = note("labels", labels, "batch")
        if self.cost == "cross-entropy":
            return note("cost", cross_entropy(outputs, labels), "", symbol="C")
        one_hot = note("one_hot", torch.nn.functional.one_hot(labels, outputs.shape[1]), "batch class")
        wanted = note("wanted", one_hot.to(outputs.dtype), "batch class", symbol="y")
        return note("cost", squared_error(outputs, wanted), "", symbol="C")

    def shares(self, outputs: Tensor) -> Tensor:
        """Confidence for each class, `[batch, class]`: softmax of logits; of sigmoid outputs themselves."""
        if self.cost == "cross-entropy":
            return note("confidence", softmax(outputs), "batch class")
        return outputs

    @torch.no_grad()
    def classify(self, pictures: Tensor) -> list[Verdict]:
        """The verdict on each picture of bytes `[batch, row, column]`, light ink on dark ground."""
        training = self.training
        self.eval()
        outputs = self(self.vector(pictures))
        shares = self.shares(outputs)
        places = note("verdict", argmax(outputs), "batch")
        self.train(training)
        return [
            Verdict(self.classes[place], place, float(row[place]), tuple(float(share) for share in row))
            for place, row in zip(places.tolist(), shares, strict=True)
        ]
