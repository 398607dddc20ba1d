"""How the page can work out a number itself: which elements of which stored tensors an operation took."""

from __future__ import annotations

from typing import Any

import numpy as np

from kqv.arithmetic import Array
from kqv.trace.movements import Movement
from kqv.trace.operands import RecordSource, Spot
from kqv.trace.records import CallRecord, TensorRecord

WORKED_OUT = ("add", "linear", "mask", "matmul", "multiply", "scale", "softmax")
"""Operations whose arithmetic `evaluation.js` knows."""

MOST = 4_000_000  # elements of a moved tensor whose way is followed


def made_from(record: TensorRecord) -> dict[str, Any] | None:
    """The operation that made a tensor with its operands, each as a view of a named tensor; None where the page does
    not know the operation, or an operand is no such view."""
    producer = record.producer
    if producer is None:
        return {"operation": "given", "operands": []}
    if isinstance(producer, Movement):
        view = _moved_view(record, producer)
        return None if view is None else {"operation": "moved", "operands": [view]}
    if not isinstance(producer, CallRecord) or producer.name not in WORKED_OUT:
        return None
    operands = [None if operand is None else view_of(operand) for operand in producer.inputs]
    if any(given is not None and view is None for given, view in zip(producer.inputs, operands, strict=True)):
        return None
    options = {name: value for name, value in producer.options.items() if isinstance(value, (int, float))}
    return {"operation": producer.name, "operands": operands, "options": options}


def view_of(record: TensorRecord) -> dict[str, Any] | None:
    """A tensor as a view of the nearest named one: its sizes, and where its elements stand there (offset + Σ stride·i);
    None where they stand in no such order."""
    if record.names:
        return _view(record.name, record.sizes, 0, _row_by_row(record.sizes))
    count = record.tensor.numel()
    if not 0 < count <= MOST:
        return None
    return _affine(list(RecordSource(record).spots(np.arange(count))), record.sizes)


def _moved_view(record: TensorRecord, movement: Movement) -> dict[str, Any] | None:
    count = record.tensor.numel()
    if len(movement.sources) != 1 or not 0 < count <= MOST:
        return None
    positions = movement.maps[record.producer_position].reshape(-1).numpy()
    return _affine(list(RecordSource(movement.sources[0]).spots(positions)), record.sizes)


def _affine(spots: list[Spot], sizes: tuple[int, ...]) -> dict[str, Any] | None:
    """The offset and the strides of elements that all stand in one named tensor, if there are such."""
    if len(spots) != 1 or not spots[0].name or spots[0].phase != "forward":
        return None
    found: Array = np.asarray(spots[0].positions).reshape(sizes)
    offset = int(found.reshape(-1)[0])
    strides = []
    for axis, size in enumerate(sizes):
        second = tuple(int(other == axis) for other in range(len(sizes)))
        strides.append(int(found[second]) - offset if size > 1 else 0)
    want = np.full(sizes, offset, dtype=np.int64)
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        want += (np.arange(size) * stride).reshape([-1 if other == axis else 1 for other in range(len(sizes))])
    return _view(spots[0].name, sizes, offset, strides) if np.array_equal(want, found) else None


def _view(name: str, sizes: tuple[int, ...], offset: int, strides: list[int]) -> dict[str, Any]:
    return {"tensor": name, "sizes": list(sizes), "offset": offset, "strides": strides}


def _row_by_row(sizes: tuple[int, ...]) -> list[int]:
    strides, step = [], 1
    for size in reversed(sizes):
        strides.append(step)
        step *= size
    return strides[::-1]
