"""What a digit recogniser trains on: learning by hand is learning by autograd, and processes share out one batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kqv.data.digits import DigitData
from kqv.data.distortions import Distortion, distorted, draw
from kqv.models.activations import ACTIVATIONS
from kqv.models.convolutional import ConvolutionalNetwork
from kqv.models.network import Network
from kqv.systems.digits import task as digits_task
from kqv.systems.digits.recipes import DigitsPlan, DigitsRecipe, NetworkPlan, TrainingPlan
from kqv.systems.digits.task import DigitsTask, gradient_sizes
from kqv.systems.digits.trained import make_network
from kqv.tensors import learned_count
from kqv.training.batches import generator
from kqv.training.distributed import Group
from kqv.training.optimizers import OPTIMIZERS

CPU = torch.device("cpu")
COSTS = {
    "quadratic": ("quadratic", "sigmoid"),
    "cross-entropy of sigmoids": ("cross-entropy", "sigmoid"),
    "cross-entropy of softmax": ("cross-entropy", "softmax"),
}
DISTORTION = Distortion(rotation=15, scaling=0.1, shear=10, shift=1 / 8, elastic=6, smoothness=2)


def recipe_with(**data: Any) -> DigitsRecipe:
    return DigitsRecipe(
        name="small", model=NetworkPlan(), data=DigitsPlan(**data),
        training=TrainingPlan(batch=20, learning_rate=0.1, seed=3),
    )  # fmt: skip


def learned(network: Network, task: DigitsTask, by_hand: bool, step: int) -> tuple[float, dict[str, Tensor]]:
    """A step's loss and gradients, with chance as it stands after seeding."""
    task.is_small = by_hand
    network.zero_grad()
    torch.manual_seed(11)
    loss = task.learn(task.batch(step))
    found = {}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        found[name] = parameter.grad.clone()
    return loss.item(), found


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)], ids=str)
def test_learning_by_hand_is_learning_by_autograd(
    dtype: torch.dtype, tolerance: float, cost: str, activation: Any, dropout: float, small_data: DigitData
) -> None:
    torch.manual_seed(2)
    kind, output = COSTS[cost]
    network = Network([64, 12, 9, 10], activation, kind, "scaled-normal", dropout, output=output).to(dtype)  # type: ignore[arg-type]
    network.train()
    task = DigitsTask(network, small_data, recipe_with(), CPU)
    assert task.is_small
    for step in (0, 4):  # the fifth batch of an epoch is the smaller rest
        loss, gradients = learned(network, task, True, step)
        expected, wanted = learned(network, task, False, step)
        assert loss == pytest.approx(expected, abs=10 * tolerance)
        for name, gradient in wanted.items():
            assert gradients[name].dtype == dtype
            assert float(gradient.norm()) > 0
            torch.testing.assert_close(gradients[name], gradient, rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("initialisation", ["glorot-normal", "standard-normal", "zeros"])
def test_a_network_without_biases_keeps_them_at_zero(by_hand: bool, initialisation: Any, small_data: DigitData) -> None:
    recipe = recipe_with()
    plan = NetworkPlan(hidden=(12,), bias=False, initialisation=initialisation)
    recipe = recipe.model_copy(update={"model": plan})
    network = make_network(recipe, (8, 8), tuple("0123456789"))
    assert isinstance(network, Network)
    task = DigitsTask(network, small_data, recipe, CPU)
    task.is_small = by_hand
    optimizer = OPTIMIZERS["adamw"].make(network, recipe.training)
    before = [layer.weight.clone() for layer in network.dense]
    for step in range(2):
        task.learn(task.batch(step))
        optimizer.step()
    assert not any(layer.bias.any() for layer in network.dense)
    assert learned_count(network) == sum(layer.weight.numel() for layer in network.dense)
    is_changed = [not torch.equal(layer.weight, first) for layer, first in zip(network.dense, before, strict=True)]
    assert is_changed == ([False, False] if initialisation == "zeros" else [True, True])
    assert gradient_sizes(network, *task.train) == {}


def test_dropout_makes_a_difference_so_the_masks_are_the_same_ones(small_data: DigitData) -> None:
    network = Network([64, 12, 10], "relu", "cross-entropy", "he-normal", 0.5)
    task = DigitsTask(network.train(), small_data, recipe_with(), CPU)
    batch, losses = task.batch(0), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(task.learn(batch).item())
    assert losses[0] == losses[1] != losses[2]


def test_weights_that_were_put_in_position_are_the_ones_that_learn_by_hand(small_data: DigitData) -> None:
    """The pass by hand is made once; a run that goes on, or an optimizer's step, changes the weights in place."""
    network = Network([64, 12, 10], cost="cross-entropy").double()
    task = DigitsTask(network, small_data, recipe_with(), CPU)
    before, _ = learned(network, task, True, 0)
    other = Network([64, 12, 10], cost="cross-entropy").double()
    network.load_state_dict(other.state_dict())
    after, gradients = learned(network, task, True, 0)
    expected, wanted = learned(network, task, False, 0)
    assert after == pytest.approx(expected, abs=1e-13) != before
    assert all(torch.allclose(gradients[name], wanted[name], rtol=0, atol=1e-14) for name in wanted)


def test_only_a_small_network_alone_on_the_cpu_learns_by_hand(
    small_data: DigitData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Group, "wrap", lambda self, model: model)
    network = Network([64, 12, 10])
    assert DigitsTask(network, small_data, recipe_with(), CPU).is_small
    assert not DigitsTask(network, small_data, recipe_with(), CPU, Group(0, 2)).is_small
    convolutional = ConvolutionalNetwork((8, 8), small_data.classes, maps=(2,), kernel=3, hidden=())
    assert not DigitsTask(convolutional, small_data, recipe_with(), CPU).is_small
    weights = sum(parameter.numel() for parameter in network.parameters())
    for limit, is_small in ((weights * 20, False), (weights * 20 + 1, True)):
        monkeypatch.setattr(digits_task, "FEW", limit)
        assert DigitsTask(network, small_data, recipe_with(), CPU).is_small == is_small


@pytest.mark.parametrize(
    "data", [{"distortion": DISTORTION}, {"distortion": replace(DISTORTION, elastic=0.0)}, {"shift": 1 / 8},
             {"shift": 1 / 8, "distortion": DISTORTION}],
    ids=["elastic", "affine", "shifted", "both"],
)  # fmt: skip
@pytest.mark.parametrize("size", [2, 3])
def test_processes_together_see_the_pictures_that_one_alone_sees(
    size: int, data: dict[str, Any], small_data: DigitData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Group, "wrap", lambda self, model: model)  # the processes do not have to be there
    recipe, network = recipe_with(**data), Network([64, 10])
    alone = DigitsTask(network, small_data, recipe, CPU)
    group = [DigitsTask(network, small_data, recipe, CPU, Group(rank, size)) for rank in range(size)]
    for step in (0, 4, 5):
        whole, parts = alone.batch(step), [task.batch(step) for task in group]
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
        together = torch.cat([part.vectors for part in parts])
        torch.testing.assert_close(together, whole.vectors, rtol=0, atol=1e-6)
        plain = alone.train[0][alone.batches.positions(step)]
        assert not torch.allclose(whole.vectors, plain, atol=0.1), "the pictures have to change to tell"
        means = [part.vectors.mean(0) * part.weight for part in parts]
        torch.testing.assert_close(sum(means) / size, whole.vectors.mean(0), rtol=0, atol=1e-6)


def test_distortions_are_a_function_of_seed_and_step(small_data: DigitData) -> None:
    recipe, network = recipe_with(distortion=DISTORTION), Network([64, 10])
    task = DigitsTask(network, small_data, recipe, CPU)
    torch.manual_seed(1)
    first = task.batch(7).vectors
    torch.manual_seed(2)  # chance in the model does not reach the pictures
    task.batch(0)
    assert torch.equal(task.batch(7).vectors, first)
    plain = task.train[0][task.batches.positions(7)]
    chance, noise = draw(20, (8, 8), DISTORTION, generator(3, "distortion", 7))
    assert torch.equal(first, distorted(plain.reshape(20, 8, 8), DISTORTION, chance, noise).flatten(1))
    other = recipe.model_copy(update={"training": recipe.training.model_copy(update={"seed": 4})})
    assert not torch.equal(DigitsTask(network, small_data, other, CPU).batch(7).vectors, first)


def test_the_same_picture_is_bent_anew_in_every_epoch(small_data: DigitData) -> None:
    one = replace(small_data, train=small_data.train[:1])
    task = DigitsTask(Network([64, 10]), one, recipe_with(distortion=DISTORTION), CPU)
    seen = torch.cat([task.batch(step).vectors for step in range(6)])
    assert len(torch.unique(seen, dim=0)) == 6
    assert torch.equal(task.validation[0], DigitsTask(Network([64, 10]), one, recipe_with(), CPU).validation[0])
