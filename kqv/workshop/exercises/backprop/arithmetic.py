"""The arithmetic of one gradient of `backprop`."""

from __future__ import annotations

from kqv.arithmetic import Expression, Named, Sum, logistic
from kqv.workshop.exercise import Inputs, Matrix, operand
from kqv.workshop.given import activations_of, backprop


def derive(inputs: Inputs, position: int, index: tuple[int, ...]) -> Expression:
    """∂C/∂b = δ[out], ∂C/∂w = δ[out]·a[in] with the layer before's activation; `position` counts nabla_b first."""
    layers = len(inputs["weights"])
    layer = position % layers
    zs, activations = activations_of(inputs["x"], inputs["weights"], inputs["biases"])
    delta = _delta(inputs, layer, index[0], zs, activations)
    if position < layers:
        return delta
    before = operand("x" if layer == 0 else f"activations[{layer}]", activations[layer])
    return Named(f"δ of layer {layer + 2}", delta) * before[index[1], 0]


def _delta(inputs: Inputs, layer: int, neuron: int, zs: list[Matrix], activations: list[Matrix]) -> Expression:
    """The error of one neuron: (BP1) in the last layer, (BP2) before it."""
    z = operand(f"zs[{layer}]", zs[layer])[neuron, 0]
    slope = Named("σ′(z)", logistic(z) * (1.0 - logistic(z)))
    if layer == len(zs) - 1:
        a, y = operand(f"activations[{layer + 1}]", activations[-1]), operand("y", inputs["y"])
        return (a[neuron, 0] - y[neuron, 0]) * slope
    deltas, _ = backprop(inputs["x"], inputs["y"], inputs["weights"], inputs["biases"])
    w_next = operand(f"weights[{layer + 1}]", inputs["weights"][layer + 1])
    delta_next = operand(f"nabla_b[{layer + 1}]", deltas[layer + 1])
    return Named("(wᵀδ)", Sum(w_next[:, neuron] * delta_next[:, 0])) * slope
