"""A few steps of a training whose weights are thrown away: what each takes of memory, operations and time."""

from __future__ import annotations

import dataclasses
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kqv.memory import keep_freed_memory
from kqv.planning.counted import StepCount, bytes_of
from kqv.threads import threads_for
from kqv.training.budget import seconds_of_evaluation, seconds_per_step
from kqv.training.distributed import ALONE, Group
from kqv.training.launch import make_optimizer
from kqv.training.optimizers import Optimizer
from kqv.training.plans import TrainingPlan
from kqv.training.task import Task

LONG = 2.0
"""Seconds of a step that is long enough to be measured once."""


@dataclass(frozen=True)
class Memory:
    """Bytes of tensors while a step is made, at the moment when they are most.

    `data`: what of the data is kept as tensors. `activations`: what is computed with on the way, forward and backward,
    beside the gradients.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    data: int

    @property
    def whole(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.data


@dataclass(frozen=True)
class Step:
    """What a training step takes: `memory`; `flops`, floating-point operations of its products; `kernels`, how many
    operations it is made of; `seconds`, with counting."""

    memory: Memory
    flops: int
    kernels: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """Seconds of a step, and of an evaluation."""

    step: float
    evaluation: float


def counted(task: Task, plan: TrainingPlan, limit: float = float("inf"), shapes: Any = None) -> Step:
    """What a training step takes; two steps are made, and the second one counts, since the optimizer has its own
    numbers then.

    With `shapes` (PyTorch's `FakeTensorMode`, in which the task's model was made) nothing is computed, and no memory
    taken. Raises `TooLargeError` beyond `limit`.
    """
    optimizer = make_optimizer(task.model, plan)
    batch, data = task.batch(0), bytes_of(_tensors(vars(task)))
    task.model.train()
    weights = [*task.model.parameters(), *task.model.buffers()]
    if shapes is not None:
        batch = _without_numbers(batch, shapes)
    with shapes or nullcontext(), StepCount(weights, limit) as count:
        _step(task, optimizer, batch)
        remembered, flops, kernels = count.live, count.flops, count.kernels
        count.peak, began = count.live, time.perf_counter()
        _step(task, optimizer, batch)
        seconds = time.perf_counter() - began
    gradients = bytes_of(parameter for parameter in task.model.parameters() if parameter.requires_grad)
    on_the_way = max(0, count.peak - remembered - gradients)
    memory = Memory(bytes_of(weights), gradients, remembered, on_the_way, data)
    return Step(memory, count.flops - flops, count.kernels - kernels, seconds)


def _step(task: Task, optimizer: Optimizer, batch: Any) -> None:
    task.learn(batch)
    optimizer.clip_gradients()
    optimizer.step()
    optimizer.zero_grad()


def _without_numbers(batch: Any, shapes: Any) -> Any:
    found = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    changed = {name: shapes.from_tensor(value) for name, value in found.items() if isinstance(value, Tensor)}
    return dataclasses.replace(batch, **changed)


def _tensors(content: dict[str, Any]) -> list[Tensor]:
    """The tensors that a task keeps, beside its model's."""
    found: list[Tensor] = []
    for value in content.values():
        parts = value if isinstance(value, tuple | list) else [value]
        found += [part for part in parts if isinstance(part, Tensor) and not isinstance(part, nn.Parameter)]
    return found


def measured(task: Task, plan: TrainingPlan, step: Step, group: Group = ALONE) -> Pace:
    """How long a step and an evaluation take on this machine, about a second of each; the weights change. A `step` that
    takes longer was measured when it was counted."""
    keep_freed_memory()
    with threads_for(task.work), torch.random.fork_rng(devices=[group.device] if group.device.type == "cuda" else []):
        if step.seconds > LONG:
            return Pace(step.seconds, seconds_of_evaluation(task, group))
        seconds = seconds_per_step(task, make_optimizer(task.model, plan), group)
        return Pace(seconds, seconds_of_evaluation(task, group))
