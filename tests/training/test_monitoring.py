"""What a recipe wants to be measured beside the validation set, against values computed live; it changes no weight."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kqv.systems.digits import task as digits_task
from kqv.systems.digits.recipes import ConvolutionalPlan, DigitsPlan, DigitsRecipe, TrainingPlan
from kqv.systems.digits.task import gradient_sizes
from kqv.systems.digits.trained import load_network
from kqv.tensors import read_tensors


def monitored(recipe: DigitsRecipe, *names: str) -> DigitsRecipe:
    plan = TrainingPlan.model_validate(recipe.training.model_dump() | {"monitor": names})
    return recipe.model_copy(update={"training": plan})


def plain_logits(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The small recipe's network written with PyTorch's own functions, without dropout."""
    a = F.relu(F.linear(x, weights["layers.0.weight"], weights["layers.0.bias"]))
    return F.linear(a, weights["layers.1.weight"], weights["layers.1.bias"])


def last_weights(run: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone().requires_grad_() for name, p in load_network(run).named_parameters()}


def pictures_of(workshop: Any) -> tuple[Tensor, Tensor]:
    """The training set from its bytes."""
    train = workshop.data.train
    return torch.from_numpy(train.pixels).flatten(1).float() / 255, torch.from_numpy(train.labels)


def test_the_training_sets_scores_stand_beside_the_validation_sets(workshop: Any) -> None:
    run = workshop.finished("one", monitored(workshop.recipe, "training"))
    scored = [line for line in run.metrics() if "validation_loss" in line]
    assert [line["step"] for line in scored] == [5, 10, 15, 20, 23]
    assert all({"training_loss", "training_accuracy"} <= line.keys() for line in scored)
    assert not any(name.startswith("gradient_") for line in run.metrics() for name in line)
    x, labels = pictures_of(workshop)
    logits = plain_logits(last_weights(run), x)
    assert scored[-1]["training_loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert scored[-1]["training_accuracy"] == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert scored[-1]["training_loss"] != scored[-1]["validation_loss"]


def test_the_gradients_sizes_are_those_of_the_biases_over_the_training_set(workshop: Any) -> None:
    run = workshop.finished("one", monitored(workshop.recipe, "gradients"))
    scored = [line for line in run.metrics() if "validation_loss" in line]
    names = [name for name in scored[-1] if name.startswith("gradient_")]
    assert names == ["gradient_layers.0.bias", "gradient_layers.1.bias"]
    assert all(name in line for line in scored for name in names)
    weights = last_weights(run)
    x, labels = pictures_of(workshop)
    F.cross_entropy(plain_logits(weights, x), labels).backward()
    for name in names:
        gradient = weights[name.removeprefix("gradient_")].grad
        assert gradient is not None
        assert scored[-1][name] == pytest.approx(float(gradient.norm()), rel=1e-4)


def test_only_the_first_pictures_give_the_gradients(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_network(workshop.finished("one"))
    x, labels = pictures_of(workshop)
    monkeypatch.setattr(digits_task, "GRADIENT_PICTURES", 30)
    found = gradient_sizes(model, x, labels)
    assert found == gradient_sizes(model, x[:30], labels[:30])
    monkeypatch.setattr(digits_task, "GRADIENT_PICTURES", 1000)
    assert found != gradient_sizes(model, x, labels)


def test_measuring_leaves_weights_chance_mode_and_gradients_alone(workshop: Any, timeless: Any) -> None:
    plain = workshop.finished("plain")
    run, trainer = workshop.begin("monitored", monitored(workshop.recipe, "training", "gradients"))
    trainer.train()
    assert trainer.task.model.training
    assert all(parameter.grad is None for parameter in trainer.task.model.parameters())
    weights, others = (read_tensors(each.model_file)[0] for each in (run, plain))
    assert all(torch.equal(weights[name], others[name]) for name in others)
    names = {"step", "loss", "validation_loss", "validation_accuracy"}
    without = [{name: line[name] for name in line if name in names} for line in timeless(run)]
    assert without == timeless(plain)


def test_a_convolutional_networks_layers_are_measured_too(workshop: Any) -> None:
    recipe = DigitsRecipe(
        name="small", model=ConvolutionalPlan(maps=(2,), kernel=3, hidden=(5,)), data=DigitsPlan(),
        training=TrainingPlan(batch=30, steps=3, learning_rate=1e-2, monitor=("gradients",)),
    )  # fmt: skip
    run = workshop.finished("one", recipe)
    model = load_network(run)
    x, labels = pictures_of(workshop)
    model.loss(model(x), labels).backward()
    line = run.metrics()[-1]
    for name in ("features.0.bias", "layers.0.bias", "layers.1.bias"):
        gradient = model.get_parameter(name).grad
        assert gradient is not None
        assert line[f"gradient_{name}"] == pytest.approx(float(gradient.norm()), rel=1e-5)
