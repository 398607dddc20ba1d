"""The textbook's interface: code that was written along the book runs, and computes what its formulas say."""

from __future__ import annotations

import copy
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import kqv
from kqv.errors import DimensionError, Error, RunError
from kqv.models.network import Network

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from numpy_network import NumpyNetwork

Array = npt.NDArray[np.float64]
Pairs = list[tuple[Array, Array]]

COSTS = [("quadratic", None), ("cross-entropy", "sigmoid"), ("cross-entropy", "softmax")]
COST_IDS = ["quadratic", "cross-entropy", "softmax"]


def columns(count: int, inputs: int = 12, classes: int = 4, seed: int = 0) -> Pairs:
    """Examples as the book has them: x [in, 1] and the wanted output [class, 1]."""
    chance = np.random.default_rng(seed)
    return [(chance.random((inputs, 1)), np.eye(classes)[:, [chance.integers(classes)]]) for _ in range(count)]


def network(sizes: tuple[int, ...] = (12, 7, 4), **options: Any) -> Network:
    torch.manual_seed(0)
    return Network(sizes, **options).double()


def twin_of(ours: Network) -> NumpyNetwork:
    twin = NumpyNetwork(ours.sizes)
    twin.weights = [w.copy() for w in ours.weights]
    twin.biases = [b.copy() for b in ours.biases]
    return twin


@pytest.mark.parametrize("sizes", [(12, 4), (12, 7, 4), (12, 6, 5, 4)])
def test_an_epoch_gives_the_weights_of_the_loop_over_single_examples(sizes: tuple[int, ...]) -> None:
    data, ours = columns(203), network(sizes)
    twin = twin_of(ours)
    random.seed(5)
    ours.SGD(data, 1, 10, 3.0)  # one epoch: the type checks of these tests use up random numbers too
    random.seed(5)
    twin.SGD(list(data), 1, 10, 3.0)
    for mine, theirs in zip(ours.weights + ours.biases, twin.weights + twin.biases, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-10)
    test = [(x, int(np.argmax(y))) for x, y in columns(50, seed=1)]
    assert ours.evaluate(test) == twin.evaluate(test)
    np.testing.assert_allclose(ours.feedforward(test[0][0]), twin.feedforward(test[0][0]), rtol=0, atol=1e-10)


def test_backprop_gives_the_articles_gradients() -> None:
    ours, (x, y) = network(), columns(1)[0]
    for mine, theirs in zip(ours.backprop(x, y), twin_of(ours).backprop(x, y), strict=True):
        assert [array.shape for array in mine] == [array.shape for array in theirs]
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("cost", "output"), COSTS, ids=COST_IDS)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_backpropagation_by_hand_agrees_with_the_operations_and_with_differences(
    cost: Any, output: Any, activation: Any
) -> None:
    ours = network((12, 6, 5, 4), activation=activation, cost=cost, output=output, initialisation="scaled-normal")
    examples = ours.examples(columns(6))
    gradients = []
    for error in ours.backpropagation().errors(examples.x, examples.wanted):
        gradients += [error.delta.T @ error.a, error.delta.sum(0)]
    ours.loss(ours(examples.x), examples.labels).backward()
    parameters = [part for layer in ours.dense for part in (layer.weight, layer.bias)]
    for by_hand, parameter in zip(gradients, parameters, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(by_hand / len(examples), parameter.grad, rtol=0, atol=1e-14)
        position = int(parameter.grad.abs().argmax())
        costs = []
        for step in (1e-5, -1e-5):
            moved = copy.deepcopy(ours)
            target = [part for layer in moved.dense for part in (layer.weight, layer.bias)][
                next(n for n, p in enumerate(parameters) if p is parameter)
            ]
            target.detach().view(-1)[position] += step
            costs.append(moved.mean_cost(examples))
        slope = (costs[0] - costs[1]) / 2e-5
        assert slope == pytest.approx(float(parameter.grad.view(-1)[position]), rel=1e-6, abs=1e-9)


def test_the_books_session_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    random.seed(0)
    net = kqv.Network([12, 30, 4])
    training_data, test_data = columns(300), [(x, int(np.argmax(y))) for x, y in columns(40)]
    net.SGD(training_data, 3, 10, 3.0, test_data=test_data)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Epoch 0", "Epoch 1", "Epoch 2"]
    assert lines[-1] == f"Epoch 2: {net.evaluate(test_data)} / 40"
    assert net.num_layers == 3
    assert [w.shape for w in net.weights] == [(30, 12), (4, 30)]
    assert [b.shape for b in net.biases] == [(30, 1), (4, 1)]
    np.testing.assert_array_equal(net.cost_derivative(np.ones((4, 1)), np.eye(4)[:, [1]]), 1 - np.eye(4)[:, [1]])
    net.weights[0][:] = 0.0
    assert not net.weights[0].any()
    assert not net.layers[0].weight.any()
    net.biases = [np.ones((30, 1)), np.ones((4, 1))]
    assert net.layers[1].bias.tolist() == [1.0] * 4


@pytest.mark.parametrize("method", ["feedforward", "backprop", "update_mini_batch", "SGD", "evaluate"])
def test_rows_are_refused_with_the_names_of_the_dimensions(method: str) -> None:
    net, y = Network([784, 30, 10]), np.eye(10)[:, [3]]
    for row, form in ((np.zeros((1, 784)), "a row [1, in=784]"), (np.zeros(784), "[in=784] without a second axis")):
        arguments: tuple[Any, ...] = {
            "feedforward": (row,), "backprop": (row, y), "update_mini_batch": ([(row, y)], 3.0),
            "SGD": ([(row, y)], 1, 1, 3.0), "evaluate": ([(row, 3)],),
        }[method]  # fmt: skip
        with pytest.raises(DimensionError, match=r"expected a column \[in=784, 1\]") as failure:
            getattr(net, method)(*arguments)
        assert form in str(failure.value)
    with pytest.raises(DimensionError, match=r"expected a column \[class=10, 1\], got a row"):
        net.backprop(np.zeros((784, 1)), y.T)


def test_what_cannot_be_is_refused_in_words() -> None:
    net, data = Network([12, 4]), columns(5)
    for arguments, words in (
        (([], 1, 10, 3.0), "got none"),
        ((data, 1, 0, 3.0), "mini_batch_size"),
        ((data, 1, 10, 0.0), "eta"),
        (([(data[0][0], 9)], 1, 10, 3.0), "class from 0 to 3"),
        (([data[0][0]], 1, 10, 3.0), "pair"),
    ):
        with pytest.raises(Error, match=words):
            net.SGD(*arguments)
    with pytest.raises(Error, match="evaluation_data"):
        net.SGD(data, 1, 10, 3.0, early_stopping_n=2)
    with pytest.raises(DimensionError, match=r"weights\[0\] has shape \[12, 4\]; expected \[out=4, in=12\]"):
        net.weights = [np.zeros((12, 4))]
    with pytest.raises(Error, match="softmax"):
        Network([12, 4], cost="quadratic", output="softmax")


def test_regularisation_and_momentum_follow_their_formulas() -> None:
    data, eta, lmbda, l1, momentum = columns(40), 0.5, 0.3, 0.2, 0.6
    ours = network(cost="cross-entropy", output="sigmoid")
    weights, biases = ([part.copy() for part in parts] for parts in (ours.weights, ours.biases))
    velocity = [[np.zeros_like(part) for part in parts] for parts in (weights, biases)]
    random.seed(1)
    ours.SGD(data, 1, 10, eta, lmbda=lmbda, l1=l1, momentum=momentum)
    random.seed(1)
    order, reference = list(range(40)), network(cost="cross-entropy", output="sigmoid")
    random.shuffle(order)
    for first in range(0, 40, 10):
        reference.weights, reference.biases = weights, biases
        each = [reference.backprop(*data[position]) for position in order[first : first + 10]]
        for layer in range(2):
            nabla_b, nabla_w = (sum(one[which][layer] for one in each) / 10 for which in (0, 1))
            nabla_w = nabla_w + lmbda / 40 * weights[layer] + l1 / 40 * np.sign(weights[layer])
            velocity[0][layer] = momentum * velocity[0][layer] - eta * nabla_w
            velocity[1][layer] = momentum * velocity[1][layer] - eta * nabla_b
            weights[layer] = weights[layer] + velocity[0][layer]
            biases[layer] = biases[layer] + velocity[1][layer]
    for mine, theirs in zip(ours.weights + ours.biases, weights + biases, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)


def test_weight_decay_alone_is_the_same_in_its_fast_form() -> None:
    fast, slow = network(), network()
    random.seed(1)
    fast.SGD(columns(40), 1, 10, 0.5, lmbda=0.3)
    random.seed(1)
    slow.SGD(columns(40), 1, 10, 0.5, lmbda=0.3, l1=1e-300)  # too small to matter, but not the fast form
    for one, other in zip(fast.weights, slow.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("cost", "output"), COSTS, ids=COST_IDS)
def test_monitoring_gives_costs_and_counts_of_every_epoch(cost: Any, output: Any) -> None:
    ours = network(cost=cost, output=output)
    train, held_out = columns(60), columns(20, seed=1)
    found = ours.SGD(
        train, 3, 10, 0.5, lmbda=0.4, evaluation_data=held_out, monitor_evaluation_cost=True,
        monitor_evaluation_accuracy=True, monitor_training_cost=True, monitor_training_accuracy=True,
    )  # fmt: skip
    assert [len(numbers) for numbers in found] == [3, 3, 3, 3]
    evaluation_cost, evaluation_accuracy, training_cost, training_accuracy = found
    assert evaluation_accuracy[-1] == ours.evaluate(held_out) == ours.accuracy(held_out)
    assert training_accuracy[-1] == ours.evaluate(train)
    assert training_cost[-1] == pytest.approx(ours.total_cost(train, 0.4), rel=1e-12)
    assert evaluation_cost[-1] == pytest.approx(ours.total_cost(held_out, 0.4), rel=1e-12)
    squares = sum(float((w**2).sum()) for w in ours.weights)
    for data, total in ((train, training_cost[-1]), (held_out, evaluation_cost[-1])):
        assert total - ours.total_cost(data) == pytest.approx(0.5 * (0.4 / len(data)) * squares, rel=1e-9)
    outputs = [(ours.feedforward(x), y) for x, y in held_out]
    by_hand = {
        "quadratic": lambda a, y: 0.5 * float(((a - y) ** 2).sum()),
        "sigmoid": lambda a, y: -float((y * np.log(a) + (1 - y) * np.log(1 - a)).sum()),
        "softmax": lambda a, y: -float((y * np.log(a)).sum()),
    }[output or cost]
    assert ours.total_cost(held_out) == pytest.approx(np.mean([by_hand(a, y) for a, y in outputs]), rel=1e-9)


def test_early_stopping_waits_for_a_new_best_and_halves_where_asked() -> None:
    held_out = columns(20, seed=1)
    still = {"evaluation_data": held_out, "monitor_evaluation_accuracy": True}
    stopped = network().SGD(columns(20), 50, 10, 1e-12, early_stopping_n=3, **still)  # nothing changes
    assert len(stopped.evaluation_accuracy) == 4
    halved = network().SGD(columns(20), 50, 10, 1e-12, early_stopping_n=3, halvings=2, **still)
    assert len(halved.evaluation_accuracy) == 10


class PerExample(Network):
    """A learner's class, with the book's own methods in place of ours."""

    calls = 0

    def backprop(self, x: Any, y: Any) -> Any:
        type(self).calls += 1
        return super().backprop(x, y)


def test_a_learners_own_backprop_is_used_and_gives_the_same_weights() -> None:
    torch.manual_seed(0)
    own, data = PerExample([12, 7, 4]).double(), columns(30)
    ours = network()
    for net in (own, ours):
        random.seed(3)
        net.SGD(data, 1, 10, 3.0, lmbda=0.1)
    assert PerExample.calls == 30
    for one, other in zip(own.weights + own.biases, ours.weights + ours.biases, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


class OtherCost(Network):
    """A learner who changes the cost's derivative."""

    def cost_derivative(self, output_activations: Any, y: Any) -> Any:
        return 2 * (np.asarray(output_activations) - y)


def test_a_learners_own_cost_derivative_is_used() -> None:
    torch.manual_seed(0)
    own, (x, y) = OtherCost([12, 7, 4]).double(), columns(1)[0]
    for mine, theirs in zip(own.backprop(x, y)[1], network().backprop(x, y)[1], strict=True):
        np.testing.assert_allclose(mine, 2 * theirs, rtol=0, atol=1e-14)


def test_dropout_is_drawn_in_training_only() -> None:
    ours, x = network(dropout=0.5), columns(1)[0][0]
    np.testing.assert_array_equal(ours.feedforward(x), ours.feedforward(x))
    examples, drawn = ours.examples(columns(6)), ours.backpropagation(dropping=True)
    first, second = (drawn.errors(examples.x, examples.wanted)[0].delta for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_network_is_saved_and_loaded(kind: torch.dtype, tmp_path: Path) -> None:
    ours = Network([12, 7, 4], "tanh", "cross-entropy", classes=["a", "b", "c", "d"]).to(kind)
    ours.save(tmp_path / "net.safetensors")
    loaded, x = Network.load(tmp_path / "net.safetensors"), columns(1)[0][0]
    np.testing.assert_array_equal(loaded.feedforward(x), ours.feedforward(x))
    assert (loaded.classes, loaded.sizes, loaded.output) == (ours.classes, ours.sizes, "softmax")
    (tmp_path / "net.safetensors").write_bytes(b"no network")
    with pytest.raises(RunError):
        Network.load(tmp_path / "net.safetensors")
    with pytest.raises(RunError, match="missing"):
        Network.load(tmp_path / "nowhere")
