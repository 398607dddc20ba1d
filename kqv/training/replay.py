"""Where a value first became infinite or NaN: the steps since the last checkpoint, made once more and watched.

Nothing of this runs before a training has failed, so it costs nothing else. The steps are the same to the last bit,
since the checkpoint holds all that they depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kqv.trace.records import CallRecord, TensorRecord
from kqv.trace.trace import Trace
from kqv.training.randomness import random_state, restore_random_state
from kqv.training.task import Task


def first_fault(task: Task, parameters: dict[str, nn.Parameter], step: int, make: Callable[[], None]) -> str | None:
    """What first went wrong in step number `step` (from 0), in words; None where nothing did.

    `make` makes the step, from the state in which model and optimizer are now, which comes after it.
    """
    device = next(iter(parameters.values())).device
    tensors, counters = random_state(device)
    loss = task.learn(task.batch(step))
    gradient = _first_bad((name, p.grad) for name, p in parameters.items())
    if gradient is None and bool(loss.isfinite()):
        _forget(parameters)
        _put_back(tensors, counters, device)
        make()
        changed = _first_bad(parameters.items())
        return None if changed is None else f"{changed} after the update of step {step + 1:,}"
    _forget(parameters)
    _put_back(tensors, counters, device)
    found = traced_fault(task, step)
    _forget(parameters)
    if found is None and gradient is not None:
        found = f"the gradient of {gradient}, in the backward pass"
    return f"{found or 'the loss'} of step {step + 1:,}"


def traced_fault(task: Task, step: int) -> str | None:
    """The first tensor of a step that is not finite, in the forward pass, else from the loss back; in words."""
    with Trace(task.model, training=True) as trace:
        task.learn(task.batch(step))
    records = [record for record in trace.tensors if record.kind != "parameter"]
    for record in records:
        if _is_bad(record.readable_value, minus_infinity_is_meant=_masks(record)):
            return f"{record.name}, in the forward pass"
    for record in reversed(records):
        if _is_bad(record.readable_gradient):
            return f"the gradient of {record.name}, in the backward pass"
    return None


def _masks(record: TensorRecord) -> bool:
    return isinstance(record.producer, CallRecord) and record.producer.operation.name == "mask"


def _is_bad(tensor: Tensor | None, minus_infinity_is_meant: bool = False) -> bool:
    if tensor is None or not tensor.is_floating_point():
        return False
    bad = tensor.isnan() | tensor.isposinf() if minus_infinity_is_meant else ~tensor.isfinite()
    return bool(bad.any())


def _first_bad(named: Iterable[tuple[str, Tensor | None]]) -> str | None:
    return next((name for name, tensor in named if _is_bad(None if tensor is None else tensor.detach())), None)


def _forget(parameters: dict[str, nn.Parameter]) -> None:
    for parameter in parameters.values():
        parameter.grad = None


def _put_back(tensors: dict[str, Tensor], counters: Any, device: torch.device) -> None:
    restore_random_state(tensors, counters, device, Path("the state of this step"))
