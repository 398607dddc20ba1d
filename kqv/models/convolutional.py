"""The textbook's last network: convolutions that look everywhere for the same features, pooling, then plain layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.activations import ACTIVATIONS, Activation
from kqv.models.dense import Layer, superscript
from kqv.models.initialisation import INITIALISATIONS, Initialisation
from kqv.models.recogniser import Recogniser
from kqv.operations import convolution, max_pooling
from kqv.recording import note


class Convolution(nn.Module):
    """A layer of feature maps: `[batch, in, row, column] -> [batch, out, out_row, out_column]`, then its activation.

    Each map looks with the same weights at every position (Nielsen ch. 6, eq. (125); LeCun et al. 1998). `padding`
    empty pixels stand around the picture.
    """

    def __init__(
        self, inputs: int, maps: int, kernel: int, padding: int, activation: Activation,
        initialisation: Initialisation, number: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.empty(maps, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(maps))
        INITIALISATIONS[initialisation](self.weight.detach().view(maps, -1))
        self.activation: Activation = activation
        self.padding = padding
        self.number = superscript(number)

    def forward(self, a: Tensor) -> Tensor:
        weight = note("weight", self.weight, "out in kernel_row kernel_column", symbol=f"w{self.number}")
        bias = note("bias", self.bias, "out", symbol=f"b{self.number}")
        z = convolution(a, weight, bias, padding=self.padding)
        z = note("z", z, "batch out out_row out_column", symbol=f"z{self.number}")
        return note("a", ACTIVATIONS[self.activation](z), "batch out out_row out_column", symbol=f"a{self.number}")


class MaxPooling(nn.Module):
    """The largest of each square of `size`×`size`: `[batch, in, row, column] -> [batch, in, out_row, out_column]`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, a: Tensor) -> Tensor:
        return note("pooled", max_pooling(a, size=self.size), "batch in out_row out_column")


class ConvolutionalNetwork(Recogniser):
    """For each number in `maps` a convolution and a pooling, then layers of `hidden` neurons, then a softmax.

    `forward(x[batch, pixel]) -> logits [batch, class]`; the pixels of a picture of `shape` (rows, columns) row by row.
    Raises `Error` where the picture is too small for so many layers.
    """

    def __init__(
        self, shape: tuple[int, int], classes: Sequence[str], maps: Sequence[int] = (20, 40), kernel: int = 5,
        padding: int = 0, pooling: int = 2, hidden: Sequence[int] = (100,), activation: Activation = "relu",
        initialisation: Initialisation = "he-normal", dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(shape[0] * shape[1], classes)
        self.shape = shape
        self.maps, self.hidden = tuple(maps), tuple(hidden)
        self.features = nn.ModuleList()
        rows, columns = shape
        for number, (inputs, outputs) in enumerate(zip([1, *maps], maps, strict=False), start=2):
            rows, columns = ((side + 2 * padding - kernel + 1) // pooling for side in (rows, columns))
            if min(rows, columns) < 1:
                raise Error(
                    f"pictures of {shape[0]}×{shape[1]} are too small for {len(maps)} convolutions of {kernel}×{kernel}"
                    f" with a pooling of {pooling}×{pooling}; take fewer or smaller ones"
                )
            self.features.append(Convolution(inputs, outputs, kernel, padding, activation, initialisation, number))
            self.features.append(MaxPooling(pooling))
        sizes = [maps[-1] * rows * columns, *hidden, len(classes)]
        self.layers = nn.ModuleList(
            Layer(
                inputs, outputs, activation if number < len(sizes) - 2 else None, initialisation,
                len(maps) + 2 + number, dropout,
            )
            for number, (inputs, outputs) in enumerate(pairwise(sizes))
        )  # fmt: skip

    def describe(self) -> str:
        sizes = [self.pixels, *(f"{maps} maps" for maps in self.maps), *self.hidden, len(self.classes)]
        return f"a convolutional network [{', '.join(map(str, sizes))}]"

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = note("x", x, "batch pixel", symbol="a¹")
        a = note("picture", x.reshape(len(x), 1, *self.shape), "batch in row column")
        for feature in self.features:
            a = feature(a)
        a = a.reshape(len(a), -1)
        for layer in self.layers:
            a = layer(a)
        return a
