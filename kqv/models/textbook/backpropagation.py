"""Backpropagation by hand, for whole mini-batches: the article's equations (BP1) to (BP4), without autograd.

What `Network.forward`, `loss` and autograd compute through the operations, written out once more in the textbook's
letters and for rows `[batch, …]`: on mini-batches of ten pictures most of a step is the bookkeeping around the numbers,
and here is little of it. A test holds both equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kqv.models.activations import ACTIVATIONS
from kqv.models.dense import Layer
from kqv.models.recogniser import Output
from kqv.operations import draw_mask, dropout, sigmoid, softmax


class LayerPass(NamedTuple):
    """One layer in a forward pass: its input a^(l−1) `[batch, in]`, and what activation and dropout saved."""

    a: Tensor
    activation: Any
    dropout: Any


class LayerError(NamedTuple):
    """One layer in a backward pass: its error δ^l `[batch, out]` and its input a^(l−1) `[batch, in]`."""

    delta: Tensor
    a: Tensor


class Backpropagation:
    """The forward and backward pass through these layers; the weights are the network's own memory.

    `output` turns the last layer's logits into probabilities where it has no activation; `dropping`: with dropout.
    """

    def __init__(self, layers: Sequence[Layer], output: Output, dropping: bool = False) -> None:
        self._probabilities, self.dropping = softmax if output == "softmax" else sigmoid, dropping
        self.weights = [layer.weight.detach() for layer in layers]
        self._transposed = [weight.t() for weight in self.weights]
        self.biases = [layer.bias.detach() for layer in layers]
        self._activations = [layer.activation and ACTIVATIONS[layer.activation] for layer in layers]
        self._dropout = [layer.dropout for layer in layers]

    def feedforward(self, x: Tensor) -> tuple[Tensor, list[LayerPass]]:
        """The outputs `[batch, class]` for `x[batch, in]`, and what each layer keeps for the way back.

        z^l = a^(l−1)·Wᵀ + b and a^l = σ(z^l); the outputs are a^L, or z^L where the last layer has no activation.
        """
        a, passes = x, []
        for transposed, bias, activation, probability in zip(
            self._transposed, self.biases, self._activations, self._dropout, strict=True
        ):
            thinned = saved = None
            if probability and self.dropping:
                a, thinned = dropout.pair.forward(a, draw_mask(a, probability), probability=probability)
            z = torch.addmm(bias, a, transposed)
            below = a
            a, saved = activation.pair.forward(z) if activation else (z, None)
            passes.append(LayerPass(below, saved, thinned))
        return a, passes

    def backpropagate(self, passes: list[LayerPass], derivative: Tensor) -> list[LayerError]:
        """Each layer's error, from the first to the last.

        `derivative` is ∂C/∂a^L where the last layer has an activation, else ∂C/∂z^L; of a mini-batch's examples each
        with its own cost, so that the gradients are the errors' means.
        (BP1) δ^L = ∂C/∂a^L ⊙ σ'(z^L), (BP2) δ^l = (δ^(l+1)·W^(l+1)) ⊙ σ'(z^l).
        """
        errors: list[LayerError] = []
        for number in reversed(range(len(passes))):
            kept, activation = passes[number], self._activations[number]
            delta = derivative
            if activation:
                delta = activation.pair.backward(kept.activation, derivative)[0]  # type: ignore[assignment]
            errors.append(LayerError(delta, kept.a))
            if number:  # the pixels do not learn
                derivative = torch.mm(delta, self.weights[number])
                if kept.dropout is not None:
                    derivative = dropout.pair.backward(kept.dropout, derivative)[0]  # type: ignore[assignment]
        errors.reverse()
        return errors

    def errors(self, x: Tensor, y: Tensor) -> list[LayerError]:
        """Each layer's error for examples `x[batch, in]` with wanted outputs `y[batch, class]`.

        The output error is simple for all our costs: a − y, through σ' with the quadratic cost (Nielsen ch. 3, (66)).
        """
        outputs, passes = self.feedforward(x)
        return self.backpropagate(passes, self.probabilities(outputs) - y)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """a^L from the outputs: logits become probabilities, activations are left as they are."""
        return outputs if self._activations[-1] else self._probabilities.pair.forward(outputs)[0]


def means(error: LayerError) -> tuple[Tensor, Tensor]:
    """(BP4) ∂C/∂W = 1/m·Σ_x δ·aᵀ and (BP3) ∂C/∂b = 1/m·Σ_x δ, over a mini-batch of m examples."""
    mean = error.delta / error.delta.shape[0]
    return torch.mm(mean.t(), error.a), mean.sum(0)
