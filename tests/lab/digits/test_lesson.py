"""A lesson's numbers are those of the textbook's backpropagation and of the optimizer, for every kind of network."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kqv.data.digits import load_digits
from kqv.errors import Error
from kqv.lab.digits.answers import pass_answer, tensor_answer
from kqv.lab.digits.code import stages_of
from kqv.lab.digits.drawing import example_picture, pictures_named
from kqv.lab.digits.layers import layers_of
from kqv.lab.digits.lesson import Lesson, Rule, correct, look, open_lesson, reset, said_of, show, teach
from kqv.models.textbook.interface import Textbook
from kqv.training.optimizer_state import optimizer_of
from kqv.training.run import Run

WRONG = 4


def plain_gradients(lesson: Lesson) -> dict[str, Tensor]:
    """The same pass by PyTorch's autograd on an untraced copy."""
    model = copy.deepcopy(lesson.model)
    assert lesson.prepared is not None
    assert lesson.label is not None
    picture = torch.from_numpy(lesson.prepared.picture).unsqueeze(0)
    model.loss(model(model.vector(picture)), torch.tensor([lesson.label])).backward()  # type: ignore[no-untyped-call]
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_errors_and_gradients_are_the_textbooks(lesson: Lesson) -> None:
    model = lesson.model
    if not isinstance(model, Textbook):
        pytest.skip("the textbook has no convolutions")
    trace = correct(lesson, WRONG)
    y = np.eye(10)[:, [WRONG]]
    x = trace["x"].value.numpy().T
    nabla_b, nabla_w = model.backprop(x, y)
    assert len(nabla_w) == len(model.layers)
    for layer, delta, weight in zip(layers_of(model, trace, lesson.shape), nabla_b, nabla_w, strict=True):
        assert layer.z is not None
        assert layer.weight is not None
        error = tensor_answer(trace, layer.z, "backward")[1][0]
        np.testing.assert_allclose(error.T, delta, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(tensor_answer(trace, layer.weight, "backward")[1][0], weight, rtol=1e-4, atol=1e-6)


def test_gradients_are_those_of_an_untraced_pass(lesson: Lesson) -> None:
    trace = correct(lesson, WRONG)
    for name, gradient in plain_gradients(lesson).items():
        np.testing.assert_allclose(tensor_answer(trace, name, "backward")[1][0], gradient.numpy(), rtol=1e-5, atol=1e-7)


def test_a_step_is_the_optimizers_and_the_trained_network_stays(lesson: Lesson) -> None:
    trained = {name: tensor.clone() for name, tensor in lesson.trained.state_dict().items()}
    correct(lesson, WRONG)
    gradients = plain_gradients(lesson)
    trace = teach(lesson, Rule("gradient-descent", 0.05))
    for name, after in lesson.model.state_dict().items():
        expected = trained[name] - 0.05 * gradients[name] if name in gradients else trained[name]
        torch.testing.assert_close(after, expected)
        if name in gradients:
            np.testing.assert_array_equal(tensor_answer(trace, name, "update")[1][0], after.numpy())
    for name, tensor in lesson.trained.state_dict().items():
        assert torch.equal(tensor, trained[name])
    reset(lesson)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in lesson.model.state_dict().items())
    assert not lesson.history


def test_a_step_of_the_runs_own_optimizer(trained_run: Path) -> None:
    one, other = (open_lesson(Run(trained_run)) for _ in range(2))
    for each in (one, other):
        show(each, example_picture(load_digits(None), 3))
        correct(each, WRONG)
    teach(one, Rule("run"), 2)
    optimizer = optimizer_of(Run(trained_run), other.model)
    for _ in range(2):
        for name, gradient in plain_gradients(other).items():
            other.model.get_parameter(name).grad = gradient
        optimizer.step()
    for name, tensor in one.model.state_dict().items():
        torch.testing.assert_close(tensor, other.model.state_dict()[name])


def test_steps_towards_a_label_raise_its_probability(lesson: Lesson) -> None:
    correct(lesson, WRONG)
    teach(lesson, Rule("gradient-descent", 0.05), 5)
    probabilities = [said.probabilities[WRONG] for said in lesson.history]
    costs = [said.cost or math.nan for said in lesson.history]
    assert len(probabilities) == 6
    assert probabilities == sorted(probabilities)
    assert costs == sorted(costs, reverse=True)
    assert lesson.history[-1].probabilities == said_of(lesson).probabilities


def test_every_sent_number_is_a_recorded_one(lesson: Lesson) -> None:
    correct(lesson, WRONG)
    trace = teach(lesson, Rule("gradient-descent", 0.05))
    header, arrays = pass_answer(lesson, trace)
    values = arrays[len(header["steps"]) :]
    assert len(values) == len(header["tensors"])
    random = np.random.default_rng(0)
    for described, sent in zip(header["tensors"], values, strict=True):
        index = tuple(int(random.integers(size)) for size in described["sizes"])
        prefix = "grad:" if described["phase"] == "backward" else ""
        explained = trace.cell(f"{prefix}{described['name']}[{','.join(map(str, index))}]")
        assert explained.value == pytest.approx(float(sent[index]), rel=1e-6, abs=1e-12)
        assert explained.agrees
    last = header["layers"][-1]
    assert last["layout"] == (10,)
    assert header["probabilities"] in {described["name"] for described in header["tensors"]}


def test_each_stage_has_its_code(lesson: Lesson) -> None:
    trace = show(lesson, example_picture(load_digits(None), 3))
    layers = layers_of(lesson.model, trace, lesson.shape)
    assert [stage for stage, lines in stages_of(trace, layers).items() if lines] == ["input", "feedforward"]
    correct(lesson, WRONG)
    stages = stages_of(teach(lesson, Rule()), layers)
    assert list(stages) == ["input", "feedforward", "error", "backpropagation", "gradient", "update"]
    root = Path(__file__).parents[3]
    for lines in stages.values():
        assert lines
        for where in lines:
            assert (root / where.file).read_text(encoding="utf-8").splitlines()[where.line - 1].strip()
    assert "training/optimizers/gradient_descent.py" in str(stages["update"][0])


def test_a_lesson_says_what_is_missing(trained_run: Path) -> None:
    lesson = open_lesson(Run(trained_run))
    with pytest.raises(Error, match="there is no picture yet"):
        look(lesson)
    show(lesson, example_picture(load_digits(None), 3))
    lesson.label = None
    with pytest.raises(Error, match="choose first which digit"):
        teach(lesson, Rule())
    with pytest.raises(Error, match="there is no class 10"):
        correct(lesson, 10)
    correct(lesson, 1)
    with pytest.raises(Error, match="take 1 to 50"):
        teach(lesson, Rule(), 51)
    for rate in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(Error, match="the learning rate η is"):
            Rule("gradient-descent", rate)


def test_weights_that_grow_beyond_all_numbers_are_put_back(trained_run: Path) -> None:
    lesson = open_lesson(Run(trained_run))
    show(lesson, example_picture(load_digits(None), 3))
    lesson.model.get_parameter("layers.0.weight").data.fill_(3e38)
    correct(lesson, WRONG)
    with pytest.raises(Error, match="choose a smaller learning rate"):
        teach(lesson, Rule("gradient-descent", 100.0))
    assert torch.equal(lesson.model.get_parameter("layers.0.weight"), lesson.trained.get_parameter("layers.0.weight"))


def test_mistakes_are_those_of_the_trained_network(trained_run: Path) -> None:
    lesson = open_lesson(Run(trained_run))
    said, labels = lesson.test_verdicts
    test = pictures_named("digits8x8").test
    verdicts = lesson.trained.classify(torch.from_numpy(test.pixels))
    assert [verdict.position for verdict in verdicts] == said.tolist()
    assert labels.tolist() == test.labels.tolist()
