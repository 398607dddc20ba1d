"""The tensors of a trace by name and phase: the value, the gradient, what an optimizer's step made and used."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from kqv.errors import TraceError
from kqv.recording import unseen
from kqv.trace.cells import Phase
from kqv.trace.records import require
from kqv.trace.trace import Trace
from kqv.trace.views.summary import Summary


def tensor_of(trace: Trace, name: str, phase: Phase) -> tuple[Tensor, tuple[str, ...]]:
    """A tensor of a phase with the names of its dimensions; `TraceError` where there is none.

    In the update `NAME` is the new weight, and `NAME.gradient`, `NAME.velocity` and the like what the step used.
    """
    if phase == "update":
        return _updated(trace, name)
    record = trace[name]
    with unseen():
        tensor = record.value if phase == "forward" else require(record.gradient, name)
    return tensor, record.dimensions if len(record.dimensions) == tensor.dim() else ()


def _updated(trace: Trace, name: str) -> tuple[Tensor, tuple[str, ...]]:
    if name in trace.updates:
        update = trace.updates[name]
        return update.after, update.dimensions_of(name)
    update = trace.update_of(name)
    remembered = update.remembered(name)
    if remembered is None:
        raise TraceError(f"there is no update of {name}")
    return remembered, update.dimensions_of(name)


def summary_of(trace: Trace, name: str, phase: Phase) -> dict[str, Any]:
    """Smallest, mean, largest and root mean square of a tensor, and how many of its numbers are not finite."""
    with unseen():
        return Summary.of(tensor_of(trace, name, phase)[0]).as_dict()


def labels_of(trace: Trace, name: str, dimension: str, start: int, stop: int, example: int = 0) -> list[str]:
    """The words of some positions along a dimension of a tensor; empty where nobody said what they stand for."""
    record = trace[name]
    if dimension not in record.dimensions:
        raise TraceError(f"{name}{record.shape_text} has no dimension {dimension!r}")
    size = record.sizes[record.dimensions.index(dimension)]
    if not 0 <= start < stop <= size:
        raise TraceError(f"{dimension} of {name} has the positions 0 to {size - 1}; asked for were {start} to {stop}")
    return trace.meanings.of_axis(name, dimension, size, example)[start:stop]
