"""Small trained networks, of every kind that the room shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kqv.data.digits import DigitData, load_digits
from kqv.lab.digits.drawing import example_picture
from kqv.lab.digits.lesson import Lesson, open_lesson, show
from kqv.systems.digits.recipes import ConvolutionalPlan, DigitsPlan, DigitsRecipe, NetworkPlan, TrainingPlan
from kqv.systems.digits.start import start
from kqv.training.run import Run

MODELS = {
    "sigmoid": NetworkPlan(hidden=(12, 9), activation="sigmoid", cost="quadratic"),
    "relu": NetworkPlan(hidden=(16,)),
    "sigmoid with cross-entropy": NetworkPlan(hidden=(12,), activation="tanh", output="sigmoid"),
    "no biases": NetworkPlan(hidden=(12,), bias=False),
    "convolutional": ConvolutionalPlan(maps=(3, 4), hidden=(10,)),
}


def train(kind: str, data: DigitData, path: Path) -> Path:
    """A run of that kind, trained for a moment."""
    plan = TrainingPlan(optimizer="gradient-descent", learning_rate=0.5, batch=20, steps=30)
    recipe = DigitsRecipe(name=kind, model=MODELS[kind], data=DigitsPlan(), training=plan)
    _, trainer = start(recipe, data, path, torch.device("cpu"))
    trainer.train()
    return path


@pytest.fixture(scope="session")
def runs_by_kind(small_data: DigitData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind, named after it."""
    folder = tmp_path_factory.mktemp("runs")
    for kind in MODELS:
        train(kind, small_data, folder / kind)
    return folder


@pytest.fixture(scope="session")
def trained_run(runs_by_kind: Path) -> Path:
    """One of them."""
    return runs_by_kind / "relu"


@pytest.fixture(params=MODELS)
def lesson(request: pytest.FixtureRequest, runs_by_kind: Path) -> Lesson:
    """A lesson with each kind of network, and a test picture before it."""
    found = open_lesson(Run(runs_by_kind / request.param))
    show(found, example_picture(load_digits(None), 3))
    return found
