"""Explaining one number: the formula, the arithmetic with the recorded numbers, and the elements it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kqv.arithmetic import Array, Constant, Elements, Expression, Index, Operand, Rendering, Total, number, walk
from kqv.errors import TraceError
from kqv.trace.cells import Cell, cell_text
from kqv.trace.movements import Movement
from kqv.trace.records import CallRecord, TensorRecord

TOLERANCE = 1e-5
"""How far shown arithmetic and recorded value may lie apart, as a share of Σ|terms|."""


@dataclass
class Explanation:
    """One number with the arithmetic that made it."""

    cell: str
    value: float
    heading: str
    formula: str
    location: tuple[str, int]
    expression: Expression | None
    symbol: str = ""
    note: str = ""
    parts: list[Explanation] = field(default_factory=list)

    @property
    def evaluated(self) -> float | None:
        """The shown arithmetic, evaluated in float64 from the shown operands."""
        return None if self.expression is None else self.expression.value()

    @property
    def tolerance(self) -> float:
        """How far value and arithmetic may lie apart: 1e-5 · Σ|terms|."""
        return 0.0 if self.expression is None else TOLERANCE * float(self.expression.scale())

    @property
    def agrees(self) -> bool:
        """Whether the shown arithmetic gives the recorded value."""
        evaluated = self.evaluated
        if evaluated is None:
            return True
        return evaluated == self.value or abs(evaluated - self.value) <= self.tolerance

    def rendering(self, terms: int = 6) -> tuple[str, Rendering]:
        """The arithmetic as text, and what the text shows."""
        rendering = Rendering(terms)
        return ("" if self.expression is None else self.expression.text(rendering)), rendering


@dataclass(frozen=True)
class RecordSource:
    """A recorded tensor, or its gradient, as the operand of an expression."""

    record: TensorRecord
    of_gradient: bool = False
    tensor: Tensor | None = None  # where it is neither: one consumer's own contribution

    def _values(self) -> Tensor:
        if self.tensor is not None:
            return self.tensor
        found = self.record.gradient if self.of_gradient else self.record.value
        if found is None:
            raise TraceError(f"{self.record.name} has no gradient: no backward pass went through it")
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(self.record.tensor.shape)

    def label(self, index: Index) -> str:
        """The nearest named element that this one is a view or copy of."""
        if self.of_gradient:
            return cell_text("backward", self.record.name, index)
        record, index = named_origin(self.record, index)
        return cell_text("forward", record.name, index)

    def integer(self, index: Index) -> int:
        """One element of a tensor of whole numbers (an id, a target)."""
        return int(self._values()[index])

    def every_place(self) -> list[Index]:
        """All places of the tensor, in order."""
        return [tuple(int(i) for i in np.unravel_index(flat, self.shape)) for flat in range(self.record.tensor.numel())]

    def places_of(self, value: int) -> list[Index]:
        """The places where a tensor of whole numbers has this value."""
        return [tuple(int(i) for i in place) for place in (self._values() == value).nonzero()]

    def read(self, axes: Sequence[Array]) -> Array:
        """Elements at the outer product of `axes`, in float64."""
        grid = torch.meshgrid(*[torch.as_tensor(axis) for axis in axes], indexing="ij") if axes else ()
        values = self._values().cpu()[tuple(grid)]
        return values.to(torch.float64).numpy()


def named_origin(record: TensorRecord, index: Index) -> tuple[TensorRecord, Index]:
    """Follow an element back through unnamed movements to the nearest tensor that has a name."""
    while not record.names and isinstance(record.producer, Movement):
        movement = record.producer
        record, index = movement.locate(int(movement.origins(record.producer_place)[index]))
    return record, index


def operands(call: CallRecord) -> dict[str, Operand | None]:
    """A call's inputs, output and gradient as operands, by name."""
    names = call.operation.inputs
    found: dict[str, Operand | None] = {
        name: None if record is None else Operand(RecordSource(record))
        for name, record in zip(names, call.inputs, strict=False)
    }
    found.update(dict.fromkeys(names[len(call.inputs) :]))
    assert call.output is not None
    found["output"] = Operand(RecordSource(call.output))
    found["gradient"] = Operand(RecordSource(call.output, of_gradient=True))
    return found


def explain(cell: Cell, record: TensorRecord, make_call: Callable[[CallRecord], Any]) -> Explanation:
    """Explain one element of a tensor (`forward`) or of its gradient (`backward`)."""
    check_index(cell, record)
    return _forward(cell, record, make_call) if cell.phase == "forward" else _backward(cell, record, make_call)


def check_index(cell: Cell, record: TensorRecord) -> None:
    """`TraceError` unless the cell names one element of the tensor."""
    fits = len(cell.index) == len(record.sizes) and all(0 <= i < size for i, size in zip(cell.index, record.sizes, strict=True))
    if not fits:
        example = cell_text(cell.phase, cell.name, tuple(size - 1 for size in record.sizes))
        raise TraceError(
            f"{cell} is not one element of {cell.name}{record.shape_text}; "
            f"each place counts from 0 to its size less one, the last is {example}"
        )


def _forward(cell: Cell, record: TensorRecord, make_call: Callable[[CallRecord], Any]) -> Explanation:
    value = float(record.value[cell.index])
    producer = record.producer
    if isinstance(producer, CallRecord):
        operation = producer.operation
        expression = operation.derive(make_call(producer), cell.index)
        return Explanation(str(cell), value, operation.name, operation.formula, record.location, expression, record.symbol)
    if isinstance(producer, Movement):
        origin, index = producer.locate(int(producer.origins(record.producer_place)[cell.index]))
        expression = _element(RecordSource(origin), index)
        return Explanation(
            str(cell), value, producer.name, f"the element moved here by {producer.name}", record.location, expression, record.symbol
        )
    return Explanation(str(cell), value, "given", "given: nothing in this pass computed it", record.location, None, record.symbol)


def _element(source: RecordSource, index: Index) -> Elements:
    return Operand(source)[tuple(index)]


def _backward(cell: Cell, record: TensorRecord, make_call: Callable[[CallRecord], Any]) -> Explanation:
    gradient = record.gradient
    if gradient is None:
        raise TraceError(f"{cell.name} has no gradient: nothing behind it leads to the loss, or no backward pass was run")
    value = float(gradient[cell.index])
    parts = list(_contributions(record, cell.index, make_call, cell))
    if not parts:
        return Explanation(
            str(cell), value, "loss", "∂C/∂C = 1: the backward pass starts here", record.location, Constant(1.0), record.symbol
        )
    if len(parts) == 1:
        part = parts[0]
        return Explanation(str(cell), value, part.heading, part.formula, part.location, part.expression, record.symbol)
    total = Total(tuple(part.expression for part in parts if part.expression is not None))
    return Explanation(
        str(cell), value, f"sum over {len(parts)} uses", "the sum of what each use contributes",
        record.location, total, record.symbol, parts=parts,
    )  # fmt: skip


def _contributions(
    record: TensorRecord, index: Index, make_call: Callable[[CallRecord], Any], cell: Cell
) -> list[Explanation]:
    """What each use of an element adds to its gradient; views and copies are followed to the uses behind them."""
    found: list[Explanation] = []
    for consumer, place in record.consumers:
        if isinstance(consumer, Movement):
            for output, where in consumer.destinations(place, index):
                found.extend(_contributions(output, where, make_call, cell))
            continue
        kept = consumer.input_gradients[place] if consumer.input_gradients else None
        if kept is None:
            continue
        operation = consumer.operation
        name = operation.inputs[place]
        value = float(kept.read(f"a gradient of {operation.name}")[index])
        expression = operation.derivatives[name](make_call(consumer), index)
        use = consumer.output.name if consumer.output is not None else operation.name
        found.append(
            Explanation(
                f"part of {cell} through {use}", value, f"{operation.name}, backward",
                operation.gradients[name], (consumer.file, consumer.line), expression,
            )  # fmt: skip
        )
    return found


def sources(explanation: Explanation) -> list[tuple[str, float]]:
    """Every element that the arithmetic uses, with its value, largest first."""
    found: dict[str, float] = {}
    if explanation.expression is not None:
        for part in walk(explanation.expression):
            if isinstance(part, Elements):
                flat = part.values().reshape(-1)
                for place in range(flat.size):
                    index = tuple(int(i) for i in np.unravel_index(place, part.shape)) if part.shape else ()
                    element = part.at(index)
                    assert isinstance(element, Elements)
                    found[element.label()] = float(flat[place])
    return sorted(found.items(), key=lambda item: -abs(item[1]))


__all__ = ["TOLERANCE", "Explanation", "explain", "number", "operands", "sources"]
