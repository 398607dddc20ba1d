"""The textbook's network: its formulas live in NumPy against the network's own forward and backward."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from kqv.errors import DimensionError, Error
from kqv.models.activations import ACTIVATIONS
from kqv.models.network import Network
from kqv.trace.trace import Trace

Array = npt.NDArray[np.float64]


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def article_backprop(weights: list[Array], biases: list[Array], x: Array, y: Array) -> tuple[list[Array], list[Array]]:
    """The article's five stages for one example, in columns: (nabla_b, nabla_w)."""
    activations, zs = [x], []
    for weight, bias in zip(weights, biases, strict=True):
        zs.append(weight @ activations[-1] + bias)
        activations.append(sigmoid(zs[-1]))
    delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
    nabla_b, nabla_w = [delta], [delta @ activations[-2].T]
    for layer in range(2, len(weights) + 1):
        delta = (weights[-layer + 1].T @ delta) * sigmoid_prime(zs[-layer])
        nabla_b.insert(0, delta)
        nabla_w.insert(0, delta @ activations[-layer - 1].T)
    return nabla_b, nabla_w


@pytest.mark.parametrize("sizes", [[6, 4], [6, 5, 4], [6, 5, 3, 4]])
def test_gradients_are_those_of_the_articles_backpropagation(sizes: list[int]) -> None:
    torch.manual_seed(0)
    network = Network(sizes).double()
    x = torch.rand(3, sizes[0], dtype=torch.float64)
    labels = torch.tensor([1, 3, 0])
    network.loss(network(x), labels).backward()

    weights = [layer.weight.detach().numpy() for layer in network.layers]
    biases = [layer.bias.detach().numpy()[:, None] for layer in network.layers]
    wanted = np.eye(sizes[-1])[labels.numpy()]
    each = [article_backprop(weights, biases, x[n].numpy()[:, None], wanted[n][:, None]) for n in range(len(x))]
    for position, layer in enumerate(network.layers):
        mean_b = np.mean([nabla_b[position] for nabla_b, _ in each], axis=0)[:, 0]
        mean_w = np.mean([nabla_w[position] for _, nabla_w in each], axis=0)
        np.testing.assert_allclose(layer.bias.grad.numpy(), mean_b, rtol=0, atol=1e-14)
        np.testing.assert_allclose(layer.weight.grad.numpy(), mean_w, rtol=0, atol=1e-14)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("cost", ["quadratic", "cross-entropy"])
def test_gradients_agree_with_finite_differences(activation: str, cost: str) -> None:
    torch.manual_seed(1)
    network = Network([5, 4, 3], activation, cost).double()  # type: ignore[arg-type]
    x, labels = torch.rand(2, 5, dtype=torch.float64), torch.tensor([2, 0])
    network.loss(network(x), labels).backward()
    step = 1e-6
    for parameter in network.parameters():
        numbers = parameter.detach().view(-1)
        for position in range(numbers.numel()):
            costs = []
            for sign in (1, -1):
                with torch.no_grad():
                    numbers[position] += sign * step
                    costs.append(float(network.loss(network(x), labels)))
                    numbers[position] -= sign * step
            assert float(parameter.grad.view(-1)[position]) == pytest.approx(
                (costs[0] - costs[1]) / (2 * step), abs=1e-8
            )


@pytest.mark.parametrize("sizes", [[6, 4], [6, 5, 4], [6, 5, 3, 4]])
def test_cross_entropy_of_sigmoid_outputs_is_the_textbooks(sizes: list[int]) -> None:
    """C = −1/n·Σ_x Σ_j [y·ln a + (1 − y)·ln(1 − a)] with δ^L = a − y (Nielsen ch. 3, eqs. (63), (66))."""
    torch.manual_seed(2)
    network = Network(sizes, cost="cross-entropy", output="sigmoid").double()
    x = torch.rand(3, sizes[0], dtype=torch.float64)
    labels = torch.tensor([1, 3, 0])
    outputs = network(x)
    loss = network.loss(outputs, labels)
    loss.backward()

    activations = [x.numpy()]
    for layer in network.layers:
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        activations.append(sigmoid(activations[-1] @ weight.T + bias))
    a, y = activations[-1], np.eye(sizes[-1])[labels.numpy()]
    cost = -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a)) / len(x)
    assert loss.item() == pytest.approx(cost, rel=1e-13)
    np.testing.assert_allclose(network.probabilities(outputs).detach().numpy(), a, rtol=0, atol=1e-14)
    delta = (a - y) / len(x)
    for position in reversed(range(len(network.layers))):
        layer, below = network.layers[position], activations[position]
        np.testing.assert_allclose(layer.weight.grad.numpy(), delta.T @ below, rtol=0, atol=1e-14)
        np.testing.assert_allclose(layer.bias.grad.numpy(), delta.sum(0), rtol=0, atol=1e-14)
        delta = (delta @ layer.weight.detach().numpy()) * below * (1 - below)


def test_outputs_go_with_their_cost() -> None:
    assert Network([4, 3]).output == "sigmoid"
    assert Network([4, 3], cost="cross-entropy").output == "softmax"
    assert Network([4, 3], cost="cross-entropy", output="sigmoid").output == "sigmoid"
    with pytest.raises(Error, match="choose the cost cross-entropy for softmax"):
        Network([4, 3], cost="quadratic", output="softmax")


def test_sigmoid_outputs_of_a_surely_wrong_network_have_a_finite_cost_and_slope() -> None:
    """Where σ(z) rounds to 1, ln(1 − σ(z)) would be −∞; the cost is z itself."""
    network = Network([1, 2], cost="cross-entropy", output="sigmoid").double()
    with torch.no_grad():
        network.layers[0].weight.zero_()
        network.layers[0].bias.copy_(torch.tensor([1000.0, -1000.0]))
    loss = network.loss(network(torch.zeros(1, 1, dtype=torch.float64)), torch.tensor([1]))
    loss.backward()
    assert loss.item() == 2000
    assert network.layers[0].bias.grad.tolist() == [1, -1]


def test_confidence_is_softmax_of_logits_and_the_sigmoids_themselves() -> None:
    x = torch.rand(2, 5)
    modern = Network([5, 4, 3], "relu", "cross-entropy", "he-normal")
    assert torch.allclose(modern.probabilities(modern(x)), torch.softmax(modern(x), -1))
    textbook = Network([5, 4, 3])
    assert torch.equal(textbook.probabilities(textbook(x)), textbook(x))


def test_a_verdict_names_the_class_and_leaves_the_mode() -> None:
    network = Network([4, 3], "relu", "cross-entropy", dropout=0.5, classes=["cat", "dog", "cow"])
    with torch.no_grad():
        network.layers[0].weight.zero_()
        network.layers[0].weight[1] = 1.0
    network.train()
    verdict = network.classify(torch.full((1, 2, 2), 255, dtype=torch.uint8))[0]
    assert (verdict.label, verdict.position) == ("dog", 1)
    assert verdict.confidence == max(verdict.probabilities)
    assert sum(verdict.probabilities) == pytest.approx(1)
    assert network.training


def test_layers_have_the_articles_symbols() -> None:
    network = Network([4, 3, 2])
    with Trace(network) as trace:
        network.loss(network(torch.rand(1, 4)), torch.tensor([1])).backward()
    symbols = {name: trace[name].symbol for name in ("x", "layers.0.z", "layers.0.a", "layers.0.weight", "layers.1.z")}
    assert symbols == {"x": "a¹", "layers.0.z": "z²", "layers.0.a": "a²", "layers.0.weight": "w²", "layers.1.z": "z³"}
    assert trace["layers.0.weight"].dimensions == ("out", "in")
    for layer, module in enumerate(network.layers):
        assert torch.equal(trace[f"layers.{layer}.weight"].gradient, module.weight.grad)


def test_in_training_mode_the_dropout_mask_is_recorded_and_explains() -> None:
    torch.manual_seed(0)
    network = Network([4, 8, 2], "relu", "cross-entropy", dropout=0.5)
    x = torch.rand(1, 4)
    with Trace(network) as quiet:
        network(x)
    assert not any(record.name.endswith("mask") for record in quiet)
    with Trace(network, training=True) as trace:
        network.loss(network(x), torch.tensor([1])).backward()
    mask, dropped, before = trace["layers.1.mask"].value, trace["layers.1.dropped"].value, trace["layers.0.a"].value
    assert 0 < int(mask.sum()) < mask.numel()
    assert torch.equal(dropped, before * mask * 2)
    for position in range(8):
        for cell in (f"layers.1.dropped[0,{position}]", f"grad:layers.0.a[0,{position}]"):
            assert trace.cell(cell).agrees


@pytest.mark.parametrize("sizes", [[], [784], [784, 0], [784, 30, -1]])
def test_a_network_without_layers_or_neurons_is_refused(sizes: list[int]) -> None:
    with pytest.raises(Error, match=r"at least two layers.*\[784, 30, 10\]"):
        Network(sizes)


@pytest.mark.parametrize("shape", [(784, 1), (1, 783), (784,)])
def test_wrong_input_is_refused_by_dimension(shape: tuple[int, ...]) -> None:
    with pytest.raises(DimensionError, match=r"x\[batch, in=784\]"):
        Network([784, 10])(torch.zeros(shape))
