"""The operands of shown arithmetic: recorded tensors, their gradients, and what an optimizer remembers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kqv.arithmetic import Array, Choice, Elements, Expression, Index, Operand
from kqv.recording import unseen
from kqv.trace.cells import Cell, Phase, unflatten
from kqv.trace.records import CallRecord, TensorRecord, require


@dataclass(frozen=True, eq=False)
class Spot:
    """Elements of one named tensor by their flat positions; `record` is None for what an optimizer remembers."""

    phase: Phase
    name: str
    dimensions: tuple[str, ...]
    sizes: tuple[int, ...]
    positions: Array
    record: TensorRecord | None

    def cells(self) -> Iterator[Cell]:
        """The elements as cells."""
        for position in self.positions.tolist():
            yield self.cell(position)

    def cell(self, position: int) -> Cell:
        """The element at one flat position."""
        return Cell(self.phase, self.name, unflatten(position, self.sizes), self.dimensions)


@dataclass(frozen=True, eq=False)
class RecordSource:
    """A recorded tensor, or its gradient, as the operand of an expression."""

    record: TensorRecord
    of_gradient: bool = False
    consulted: list[Cell] = field(default_factory=list)

    @cached_property
    def _values(self) -> Tensor:
        return require(self.record.gradient, self.record.name) if self.of_gradient else self.record.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.record.sizes

    def cell(self, index: Index) -> Cell:
        """The nearest named element that this one is a view or copy of."""
        if self.of_gradient:
            return self.record.cell("backward", index)
        record, index = named_origin(self.record, index)
        return record.cell("forward", index)

    def label(self, index: Index) -> str:
        """The same as text."""
        return str(self.cell(tuple(int(position) for position in index)))

    def spots(self, positions: Array) -> Iterator[Spot]:
        """The nearest named elements that the elements at these flat positions are views or copies of."""
        phase: Phase = "backward" if self.of_gradient else "forward"
        for record, own in [(self.record, positions)] if self.of_gradient else _named_origins(self.record, positions):
            yield Spot(phase, record.name, record.dimensions, record.sizes, own, record)

    def read(self, axes: Sequence[Array]) -> Array:
        """Elements at the outer product of `axes`, in float64."""
        return read_grid(self._values, axes)

    def integer(self, index: Index) -> int:
        """One element of a tensor of whole numbers (an id, a target), which decides what is computed."""
        self.consulted.append(self.cell(index))
        return int(self._values[index])

    def positions_of(self, value: int) -> list[Index]:
        """The positions where a tensor of whole numbers has this value."""
        found = [tuple(int(i) for i in position) for position in (self._values == value).nonzero().tolist()]
        self.consulted.extend(self.cell(position) for position in found)
        return found


@dataclass(frozen=True, eq=False)
class RememberedSource:
    """What an optimizer used for an update: its state, or a gradient that it changed before."""

    name: str
    tensor: Tensor
    dimensions: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(self.tensor.shape)

    def label(self, index: Index) -> str:
        """The element as a cell of the update."""
        return str(Cell("update", self.name, tuple(int(position) for position in index), self.dimensions))

    def spots(self, positions: Array) -> Iterator[Spot]:
        """The elements themselves."""
        yield Spot("update", self.name, self.dimensions, self.shape, positions, None)

    def read(self, axes: Sequence[Array]) -> Array:
        """Elements at the outer product of `axes`, in float64."""
        return read_grid(self.tensor, axes)


def read_grid(values: Tensor, axes: Sequence[Array]) -> Array:
    """Elements of a tensor on any device at the outer product of `axes`, in float64."""
    with unseen():
        if all(map(_is_range, axes)):  # a view, where a choice of positions would be copied one by one
            part = values[tuple(slice(int(axis[0]), int(axis[-1]) + 1) for axis in axes)]
            whole: Array = part.to("cpu", torch.float64).numpy()
            return whole if values.dtype != torch.float64 else whole.copy()
        positions = [
            torch.as_tensor(axis, device=values.device).reshape([-1 if own == at else 1 for own in range(len(axes))])
            for at, axis in enumerate(axes)
        ]
        chosen = values[tuple(positions)] if positions else values
        found: Array = chosen.to("cpu", torch.float64).numpy()
        return found


def _is_range(axis: Array) -> bool:
    """Whether these are all positions from a first one to a last."""
    return axis.size > 0 and np.array_equal(axis, np.arange(axis[0], axis[0] + axis.size))


def named_origin(record: TensorRecord, index: Index) -> tuple[TensorRecord, Index]:
    """Follow an element back through unnamed movements to the nearest tensor that has a name."""
    while not record.names and record.producer is not None:
        origin = record.producer.origin(record.producer_position, index)
        if origin is None:
            break
        record, index = origin
    return record, index


def _named_origins(record: TensorRecord, positions: Array) -> Iterator[tuple[TensorRecord, Array]]:
    """The same for many elements by their flat positions; a joined tensor leads to several."""
    if record.names or record.producer is None or not record.producer.moves:
        yield record, positions
        return
    for source, own in record.producer.origins(record.producer_position, positions):
        yield from _named_origins(source, own)


def named_ancestors(record: TensorRecord) -> list[TensorRecord]:
    """The nearest named tensors that a whole tensor's elements come from through unnamed movements."""
    if record.names or record.producer is None or not record.producer.moves:
        return [record]
    return [origin for source in record.producer.moved_from() for origin in named_ancestors(source)]


def operands(call: CallRecord) -> dict[str, Operand | None]:
    """A call's inputs, output and gradient as operands, by name."""
    names = call.operation.inputs
    found: dict[str, Operand | None] = dict.fromkeys(names)
    for name, record in zip(names, call.inputs, strict=False):
        found[name] = None if record is None else Operand(RecordSource(record))
    assert call.output is not None
    found["output"] = Operand(RecordSource(call.output))
    found["gradient"] = Operand(RecordSource(call.output, of_gradient=True))
    return found


def _used_parts(root: Expression) -> Iterator[Expression]:
    """The expression and everything below it, without what a choice between two numbers left aside."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        if isinstance(part, Choice) and not part.shape:
            waiting += [part.condition, part.chosen if part.condition.value() > 0 else part.other]
        else:
            waiting += part.parts()


def spots_of(expression: Expression) -> Iterator[Spot]:
    """All named elements that an expression uses, part by part."""
    for part in _used_parts(expression):
        if isinstance(part, Elements) and isinstance(part.source, (RecordSource, RememberedSource)):
            shape = part.source.shape
            positions = [np.broadcast_to(position, part.size).reshape(-1) for position in part.positions]
            flat = np.ravel_multi_index(positions, shape) if shape else np.zeros(1, dtype=np.int64)
            yield from part.source.spots(np.unique(flat))
