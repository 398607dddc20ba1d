"""How many steps fit into a time: measured once, so that the run has a fixed number of steps like any other."""

from __future__ import annotations

import math
import statistics
import time

import torch

from kqv.errors import Error
from kqv.tensors import weights_of
from kqv.training.distributed import Group
from kqv.training.loop import Task
from kqv.training.optimizers import Optimizer

MEASURED_SECONDS = 1.0
WARM_UP_STEPS = 3  # the first steps allocate memory


def steps_within(minutes: float, task: Task, optimizer: Optimizer, group: Group) -> int:
    """The number of steps that take about so many minutes, with their share of the evaluations.

    Measures real steps for about a second, with an optimizer that is thrown away afterwards; weights and random
    generators are left as they were. Raises `Error` for a time that is none.
    """
    if not 0 < minutes < math.inf:
        raise Error(f"--minutes needs a number above 0, got {minutes}")
    before = {name: tensor.clone() for name, tensor in weights_of(task.model).items()}
    with torch.random.fork_rng(devices=[group.device] if group.device.type == "cuda" else []):
        seconds = _seconds_per_step(task, optimizer, group)
    for name, tensor in weights_of(task.model).items():
        tensor.copy_(before[name])
    return group.largest(max(1, round(60 * minutes / seconds)))[0]


def _seconds_per_step(task: Task, optimizer: Optimizer, group: Group) -> float:
    task.model.train()
    times: list[float] = []
    began = time.perf_counter()
    enough = False
    while not enough:
        started = time.perf_counter()
        loss = task.learn(task.batch(len(times)))
        optimizer.step()
        optimizer.zero_grad()
        float(loss.detach())  # a GPU computes behind our back; this waits for it
        times.append(time.perf_counter() - started)
        if len(times) == WARM_UP_STEPS:
            began = time.perf_counter()
        measured = len(times) > WARM_UP_STEPS and time.perf_counter() - began > MEASURED_SECONDS
        enough = bool(group.largest(measured)[0])  # all processes make the same steps
    step = statistics.median(times[WARM_UP_STEPS:])  # what else the machine did for a moment does not count
    began = time.perf_counter()
    task.evaluate()
    return step + (time.perf_counter() - began) / task.evaluate_every
