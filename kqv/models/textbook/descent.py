"""Gradient descent as the textbook grows it: regularisation and momentum (Nielsen ch. 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from kqv.models.textbook.backpropagation import LayerError, means

Gradients = list[tuple[Tensor, Tensor]]


@dataclass
class Descent:
    """One step after another, with n `examples` in the training set and mini-batches of m.

    w → w − η·(∂C/∂w + λ/n·w + λ₁/n·sgn w), biases without the last two (eqs. (93), (97)); ∂C/∂w is a mean over the
    mini-batch. With momentum μ the step is a velocity's: v → μ·v − η·(…), w → w + v (eqs. (107), (108)).
    """

    weights: list[Tensor]
    biases: list[Tensor]
    eta: float
    examples: int = 1
    lmbda: float = 0.0
    l1: float = 0.0
    momentum: float = 0.0
    _velocities: Gradients = field(default_factory=list)

    def step(self, errors: list[LayerError]) -> None:
        """Change weights and biases in place by a mini-batch's errors.

        Without L1 and momentum the gradient δᵀ·a/m goes into the weights as it is summed, and is never stored.
        """
        if self.l1 or self.momentum:
            self.step_along([means(error) for error in errors])
            return
        decay = 1 - self.eta * self.lmbda / self.examples
        for weight, bias, error in zip(self.weights, self.biases, errors, strict=True):
            delta, count = error.delta.t(), error.delta.shape[0]
            weight.addmm_(delta, error.a, beta=decay, alpha=-self.eta / count)
            bias.addmv_(delta, error.delta.new_ones(count), alpha=-self.eta / count)  # the sum over the examples

    def step_along(self, gradients: Gradients) -> None:
        """Change weights and biases in place by gradients, for each layer (∂C/∂W, ∂C/∂b)."""
        if not self._velocities:
            self._velocities = [(torch.zeros_like(weight), torch.zeros_like(bias)) for weight, bias in gradients]
        parameters = zip(self.weights, self.biases, strict=True)
        for (weight, bias), (nabla_w, nabla_b), (v, v_bias) in zip(
            parameters, gradients, self._velocities, strict=True
        ):
            slope = nabla_w.add(weight, alpha=self.lmbda / self.examples)
            if self.l1:
                slope.add_(weight.sign(), alpha=self.l1 / self.examples)
            weight.add_(v.mul_(self.momentum).sub_(slope, alpha=self.eta))
            bias.add_(v_bias.mul_(self.momentum).sub_(nabla_b, alpha=self.eta))

    def penalty(self, examples: int) -> float:
        """What the regularisation adds to the cost of n `examples`: λ/2n·Σ w² + λ₁/n·Σ |w| (eqs. (87), (95))."""
        squares = sum(float(weight.square().sum()) for weight in self.weights) if self.lmbda else 0.0
        sizes = sum(float(weight.abs().sum()) for weight in self.weights) if self.l1 else 0.0
        return (self.lmbda / 2 * squares + self.l1 * sizes) / examples
