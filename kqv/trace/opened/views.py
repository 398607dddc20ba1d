"""Where the elements of a tensor stand that others were moved to or from: an offset and strides, else a table.

Where several axes were joined to one, their sizes are its `factors`, each with a stride of its own.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from kqv.arithmetic import Array
from kqv.errors import TraceError
from kqv.trace.movements import Movement
from kqv.trace.operands import RecordSource, RememberedSource
from kqv.trace.records import TensorRecord

MOST = 4_000_000
"""Elements of a moved tensor whose way is followed."""


@dataclass
class Resolved:
    """For each element of a tensor, row by row: which of the named tensors it is an element of, and where there."""

    records: list[TensorRecord]
    which: Array
    at: Array


def view_of_source(source: RecordSource | RememberedSource) -> dict[str, Any]:
    """What an operand reads: the named tensor and phase, and how its own index leads there."""
    if isinstance(source, RememberedSource):
        return {"tensor": source.name, "phase": "update"}
    if source.of_gradient:
        return {"tensor": source.record.name, "phase": "backward"}
    return view_of(source.record)


def view_of(record: TensorRecord, through: bool = False) -> dict[str, Any]:
    """A tensor as a view of the nearest named one; `through`: also where it has a name itself."""
    if record.names and not through:
        return {"tensor": record.name}
    if not 0 < record.tensor.numel() <= MOST:
        raise TraceError(f"a moved tensor of {record.tensor.numel()} elements is too large to be followed")
    found = _resolved(record, through)
    if any(not origin.name for origin in found.records):
        raise TraceError("an operand comes from a tensor without a name")
    sizes = list(record.sizes)
    if len(found.records) == 1:
        positions = found.at.reshape(record.sizes)
        factors = [_factors(positions, axis) for axis in range(len(sizes))]
        affine = affine_of(positions.reshape([factor for own in factors for factor in own]))
        if affine is not None:
            view = {"tensor": found.records[0].name, "sizes": sizes, "offset": affine[0], "strides": affine[1]}
            return view if all(len(own) == 1 for own in factors) else view | {"factors": factors}
    return {
        "tensors": [origin.name for origin in found.records], "sizes": sizes,
        "which": _packed(found.which) if len(found.records) > 1 else None, "at": _packed(found.at),
    }  # fmt: skip


def _packed(numbers: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, dtype="<i4").tobytes()).decode("ascii")


def _resolved(record: TensorRecord, through: bool = False) -> Resolved:
    count = record.tensor.numel()
    producer = record.producer
    if (record.names and not through) or not isinstance(producer, Movement):
        return Resolved([record], np.zeros(count, dtype=np.int64), np.arange(count))
    moved = producer.maps[record.producer_position].reshape(-1).numpy().astype(np.int64)
    which, at = np.zeros_like(moved), np.zeros_like(moved)
    records: list[TensorRecord] = []
    for number, source in enumerate(producer.sources):
        start = producer.start(number)
        inside = (moved >= start) & (moved < start + source.tensor.numel())
        if not inside.any():
            continue
        below = _resolved(source)
        new = np.array([_number(records, origin) for origin in below.records])
        which[inside], at[inside] = new[below.which[moved[inside] - start]], below.at[moved[inside] - start]
    return Resolved(records, which, at)


def _number(records: list[TensorRecord], record: TensorRecord) -> int:
    for number, known in enumerate(records):
        if known is record:
            return number
    records.append(record)
    return len(records) - 1


def _factors(positions: Array, axis: int) -> list[int]:
    """The sizes of the axes that were joined to this one, as far as its first row of positions tells."""
    row = positions[tuple(slice(None) if own == axis else 0 for own in range(positions.ndim))]
    steps = np.diff(row)
    breaks = np.flatnonzero(steps != steps[0]) if len(steps) else steps
    inner = int(breaks[0]) + 1 if len(breaks) else len(row)
    if inner == len(row) or len(row) % inner:
        return [len(row)]
    return [*_factors(row[::inner], 0), inner]


def affine_of(positions: Array) -> tuple[int, list[int]] | None:
    """The offset and strides by which an index leads to these positions, if there are such."""
    offset = int(positions.reshape(-1)[0])
    strides = []
    want = np.full(positions.shape, offset, dtype=np.int64)
    for axis, size in enumerate(positions.shape):
        second = tuple(int(other == axis) for other in range(positions.ndim))
        stride = int(positions[second]) - offset if size > 1 else 0
        strides.append(stride)
        want += (np.arange(size) * stride).reshape([-1 if other == axis else 1 for other in range(positions.ndim)])
    return (offset, strides) if np.array_equal(want, positions) else None


def ways_of(movement: Movement, source: int) -> list[tuple[TensorRecord, dict[str, Any]]]:
    """Where the elements of a movement's source went: for each output the box of its index that they fill, and the
    offset and strides by which an index in that box leads back to the element; else a table of pairs."""
    start, size = movement.start(source), movement.sources[source].tensor.numel()
    found = []
    for number, output in movement.outputs.items():
        positions = movement.maps[number].numpy().astype(np.int64) - start
        inside = (positions >= 0) & (positions < size)
        if inside.any():
            found.append((output, _way(positions, inside)))
    return found


def _way(positions: Array, inside: Array) -> dict[str, Any]:
    every = set(range(inside.ndim))
    filled = [np.flatnonzero(inside.any(axis=tuple(every - {axis}))) for axis in range(inside.ndim)]
    box = tuple(slice(int(found[0]), int(found[-1]) + 1) for found in filled)
    affine = affine_of(positions[box]) if inside[box].all() else None
    if affine is not None:
        sizes = [part.stop - part.start for part in box]
        return {"start": [part.start for part in box], "sizes": sizes, "offset": affine[0], "strides": affine[1]}
    where = np.flatnonzero(inside.reshape(-1))
    return {"from": _packed(positions.reshape(-1)[where]), "at": _packed(where), "whole": list(positions.shape)}
