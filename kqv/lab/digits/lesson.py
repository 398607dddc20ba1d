"""A lesson: one picture taken through a network and back, and steps of learning on a copy of the network."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kqv.data.pictures import Grey
from kqv.errors import Error
from kqv.lab.digits.drawing import Prepared, pictures_named
from kqv.models.modes import in_evaluation_mode
from kqv.models.recogniser import Recogniser
from kqv.systems.digits.classes import classes_of
from kqv.systems.digits.task import vectors_of
from kqv.systems.digits.traced import as_batch, trace_pictures
from kqv.systems.digits.trained import digits_recipe_of, load_network
from kqv.trace.trace import Trace
from kqv.training.optimizer_state import optimizer_of
from kqv.training.optimizers import Optimizer
from kqv.training.optimizers.gradient_descent import GradientDescentOptimizer
from kqv.training.run import Run

RuleName = Literal["gradient-descent", "run"]
MOST_STEPS = 50
LARGEST_RATE = 100.0


@dataclass(frozen=True)
class Said:
    """What the network says of the picture: a probability for each class, which is the largest, and the cost for the
    label, where there is one."""

    probabilities: tuple[float, ...]
    position: int
    cost: float | None = None


@dataclass(frozen=True)
class Rule:
    """How to learn: plain gradient descent with the rate η, or the run's own optimizer as its training left it."""

    name: RuleName = "gradient-descent"
    rate: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.rate <= LARGEST_RATE:  # false for NaN too
            raise Error(f"the learning rate η is {self.rate}; choose one above 0 and up to {LARGEST_RATE:g}")


@dataclass(eq=False)
class Lesson:
    """A run's network as it was trained, a copy that learns, the picture before it, and the trace of the last pass.

    `lock`: one request at a time changes it.
    """

    run: Run
    trained: Recogniser
    model: Recogniser
    shape: tuple[int, int]
    prepared: Prepared | None = None
    label: int | None = None
    trace: Trace | None = None
    history: list[Said] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    optimizer: Optimizer | None = None
    rule: Rule | None = None

    @cached_property
    def test_verdicts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """What the trained network says of each test picture, and the right labels."""
        test = pictures_named(digits_recipe_of(self.run).data.name).test
        vectors, labels = vectors_of(self.trained, test, torch.device("cpu"))
        with torch.no_grad(), in_evaluation_mode(self.trained):
            said = torch.cat([self.trained(part).argmax(-1) for part in torch.split(vectors, 2000)])
        return said.numpy(), labels.numpy()


def open_lesson(run: Run) -> Lesson:
    """A lesson with a run's network; `RunError` for a run of another system, or a damaged one."""
    trained = load_network(run)
    classes = classes_of(run)
    return Lesson(run, trained, copy.deepcopy(trained), (classes["rows"], classes["columns"]))


def show(lesson: Lesson, prepared: Prepared) -> Trace:
    """Put a picture in front of the network, and trace the way forward alone."""
    lesson.prepared, lesson.label, lesson.history = prepared, prepared.label, []
    return look(lesson)


def look(lesson: Lesson) -> Trace:
    """Trace the way forward alone with the network as it is now."""
    pictures, _ = _batch(lesson, 0)
    lesson.trace = trace_pictures(lesson.model, pictures, None)
    return _with_words(lesson, lesson.trace)


def correct(lesson: Lesson, label: int) -> Trace:
    """Choose the right class: trace the way forward and back, from the cost to the first weight. Nothing is learned.

    Raises `Error` for a class that there is not, or without a picture.
    """
    pictures, labels = _batch(lesson, label)
    if lesson.label != label:
        lesson.history = []
    lesson.label = label
    lesson.model.zero_grad()
    lesson.trace = trace_pictures(lesson.model, pictures, labels)
    return _with_words(lesson, lesson.trace)


def teach(lesson: Lesson, rule: Rule, steps: int = 1) -> Trace:
    """So many steps of learning from this one picture; the trace is that of the last one, with the update.

    `lesson.history` has what the network said before the first step, and after each. Raises `Error` without a label, or
    for too many steps.
    """
    if lesson.label is None:
        raise Error("choose first which digit it is: the cost needs the right class")
    if not 1 <= steps <= MOST_STEPS:
        raise Error(f"{steps} steps at once; take 1 to {MOST_STEPS}")
    pictures, labels = _batch(lesson, lesson.label)
    optimizer = _optimizer(lesson, rule)
    if not lesson.history:
        lesson.history.append(said_of(lesson))
    for _ in range(steps):
        lesson.model.zero_grad()
        trace = trace_pictures(lesson.model, pictures, labels, optimizer)
        after = said_of(lesson)
        if not np.isfinite(after.probabilities).all():
            reset(lesson)
            raise Error(f"with η {rule.rate:g} the weights grew beyond all numbers, so the trained ones are back; "
                        "choose a smaller learning rate")  # fmt: skip
        lesson.history.append(after)
    lesson.trace = trace
    return _with_words(lesson, trace)


def reset(lesson: Lesson) -> None:
    """The network as it was trained again; picture and label stay."""
    lesson.model.load_state_dict(lesson.trained.state_dict())
    lesson.optimizer = lesson.rule = None
    lesson.history = []


@torch.no_grad()
def recognise(lesson: Lesson, picture: Grey) -> Said:
    """What the copy says of a picture [row, column]; nothing of it is kept."""
    verdict = lesson.model.classify(torch.from_numpy(picture).unsqueeze(0))[0]
    return Said(verdict.probabilities, verdict.position)


@torch.no_grad()
def said_of(lesson: Lesson) -> Said:
    """What the copy says of the picture now, and its cost."""
    pictures, labels = _batch(lesson, lesson.label or 0)
    with in_evaluation_mode(lesson.model):
        outputs = lesson.model(lesson.model.vector(pictures))
    probabilities = lesson.model.probabilities(outputs)[0]
    cost = None if lesson.label is None else float(lesson.model.loss(outputs, labels))
    return Said(tuple(probabilities.tolist()), int(outputs.argmax()), cost)


def usual_rate(lesson: Lesson) -> float:
    """A learning rate that suits one example: the recipe's where it trained by gradient descent, else a small one."""
    plan = lesson.run.recipe.training
    return plan.learning_rate if plan.optimizer == "gradient-descent" else 0.003


def _optimizer(lesson: Lesson, rule: Rule) -> Optimizer:
    """The optimizer that continues where the last step left it, as long as the rule stays."""
    if lesson.optimizer is None or lesson.rule != rule:
        lesson.rule = rule
        lesson.optimizer = (
            optimizer_of(lesson.run, lesson.model)
            if rule.name == "run"
            else GradientDescentOptimizer(lesson.model.named_parameters(), rule.rate)
        )
    return lesson.optimizer


def _batch(lesson: Lesson, label: int) -> tuple[Tensor, Tensor]:
    if lesson.prepared is None:
        raise Error("there is no picture yet; draw a digit, or take one of the test set")
    if not 0 <= label < len(lesson.model.classes):
        raise Error(f"there is no class {label}; the model has 0 to {len(lesson.model.classes) - 1}")
    return as_batch(torch.from_numpy(lesson.prepared.picture), label)


def _with_words(lesson: Lesson, trace: Trace) -> Trace:
    """The trace with the classes' names, and the picture's origin."""
    trace.annotate(dimension="class", labels=lesson.model.classes)
    assert lesson.prepared is not None
    trace.annotate("pixels", text=lesson.prepared.steps[-1].why)
    return trace
