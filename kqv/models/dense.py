"""One layer of a feed-forward network: z = W a + b and a = σ(z)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kqv.models.activations import ACTIVATIONS, Activation
from kqv.models.initialisation import INITIALISATIONS, Initialisation
from kqv.operations import linear
from kqv.operations.dropout import draw_mask, dropout
from kqv.recording import note

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(number: int) -> str:
    """A number as the article writes a layer's: 2 as ²."""
    return str(number).translate(_SUPERSCRIPTS)


class Layer(nn.Module):
    """One layer that has weights: z = W a + b, then its activation (`None`: z itself comes out).

    In training each input is switched off with the probability `dropout` (Srivastava et al. 2014). Without `bias` b is
    0 and stays so.
    `number` is the layer's number in the article, where the input is layer 1: the first layer with weights is 2.
    """

    def __init__(
        self, inputs: int, outputs: int, activation: Activation | None, initialisation: Initialisation, number: int,
        dropout: float = 0.0, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs), requires_grad=bias)
        INITIALISATIONS[initialisation](self.weight)
        if initialisation == "standard-normal" and bias:
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
