"""How many steps fit into a time: measured once, so that the run has a fixed number of steps like any other."""

from __future__ import annotations

import math
import statistics
import time

import torch

from kqv.errors import Error
from kqv.tensors import weights_of
from kqv.training.distributed import Group
from kqv.training.optimizers import Optimizer
from kqv.training.task import Estimating, Task

MEASURED_SECONDS = 1.0
WARM_UP_STEPS = 3  # the first steps allocate memory
EVALUATION_SHARE = 0.1  # of the time, which an evaluation of a sample takes at most


def steps_within(minutes: float, task: Task, optimizer: Optimizer, group: Group) -> int:
    """The number of steps that take about so many minutes together with their evaluations.

    Measures real steps and an evaluation for about a second each, with an optimizer that is thrown away afterwards;
    weights and random generators are left as they were. A task that scores a sample is told to take a smaller one
    where the time is short. Raises `Error` for a time that is none.
    """
    if not 0 < minutes < math.inf:
        raise Error(f"--minutes needs a number above 0, got {minutes}")
    before = {name: tensor.clone() for name, tensor in weights_of(task.model).items()}
    with torch.random.fork_rng(devices=[group.device] if group.device.type == "cuda" else []):
        step = seconds_per_step(task, optimizer, group)
        evaluation = seconds_of_evaluation(task, group)
    for name, tensor in weights_of(task.model).items():
        tensor.copy_(before[name])
    seconds = 60 * minutes
    if isinstance(task, Estimating) and evaluation > EVALUATION_SHARE * seconds:
        each = evaluation / task.evaluated
        task.evaluate_less(group.largest(int(EVALUATION_SHARE * seconds / each))[0])
        evaluation = each * task.evaluated
    steps = _fitting(seconds, step, evaluation, task.evaluate_every)
    if isinstance(task, Estimating) and task.ends_with_all(steps):
        over_all = evaluation * task.held_out / task.evaluated
        steps = _fitting(seconds - over_all, step, evaluation, task.evaluate_every)
    return group.largest(steps)[0]


def _fitting(seconds: float, step: float, evaluation: float, every: int) -> int:
    """How many steps fit, with an evaluation after each `every` and after the last."""
    rounds, rest = divmod(seconds, every * step + evaluation)
    return max(1, round(rounds * every + max(0.0, rest - evaluation) / step))


def seconds_per_step(task: Task, optimizer: Optimizer, group: Group) -> float:
    """The median of a second's steps; the weights change."""
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
    return statistics.median(times[WARM_UP_STEPS:])  # what else the machine did for a moment does not count


class _EnoughError(Exception):
    """So much of an evaluation was measured."""

    def __init__(self, share: float) -> None:
        super().__init__(f"{share:.0%}")
        self.share = share


def seconds_of_evaluation(task: Task, group: Group) -> float:
    """How long an evaluation takes, by a part of it where it is long."""
    began = time.perf_counter()

    def advance(done: int, whole: int) -> None:
        measured = time.perf_counter() - began > MEASURED_SECONDS
        if group.largest(measured)[0]:
            raise _EnoughError(done / whole)

    share = 1.0
    try:
        with group.gathered(task.model):
            task.evaluate(advance)
    except _EnoughError as enough:
        share = enough.share
    return (time.perf_counter() - began) / share
