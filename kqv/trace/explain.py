"""Explaining one number: the formula, the arithmetic with the recorded numbers, and the elements it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kqv.arithmetic import Constant, Expression, Index, Operand, Total
from kqv.trace.cells import Cell
from kqv.trace.explanation import Arithmetic, Explanation, error_share
from kqv.trace.movements import Movement
from kqv.trace.operands import RecordSource, named_ancestors, operands
from kqv.trace.records import CallRecord, ForeignCall, TensorRecord, require
from kqv.trace.update import UpdateRecord


def explain_value(cell: Cell, record: TensorRecord) -> Explanation:
    """How one element of a tensor was computed."""
    found = _value(record, cell.index)
    return _of(found, cell, record)


def explain_gradient(cell: Cell, record: TensorRecord) -> Explanation:
    """How one element of a tensor's gradient was computed: what each use of the element contributes."""
    gradient = require(record.gradient, cell.name)
    value = float(gradient[cell.index])
    parts = list(_contributions(record, cell.index))
    if not parts:
        return _of(_start(value, record), cell, record)
    if len(parts) == 1:
        parts[0].value = value
        return _of(parts[0], cell, record)
    known = [part.expression for part in parts if part.expression is not None]
    whole = len(known) == len(parts)
    formula = " + ".join(f"∂C/∂({part.heading})" for part in parts)
    found = Arithmetic(
        value,
        f"sum of {len(parts)} uses",
        f"the sum of what {len(parts)} uses contribute" if len(formula) > 200 else formula,
        record.location,
        Total(tuple(known)) if whole else None,
        max(error_share(gradient.dtype), *(part.share for part in parts)),
    )
    return _of(found, cell, record, parts)


def explain_lost(cell: Cell, record: TensorRecord) -> Explanation:
    """What is left to say of an element whose number was overwritten since: what it was computed from."""
    formula = f"computed by {record.origin}, and overwritten in place later: the number is lost"
    return _of(Arithmetic(float("nan"), "lost", formula, record.location), cell, record)


def _of(found: Arithmetic, cell: Cell, record: TensorRecord, parts: list[Arithmetic] | None = None) -> Explanation:
    tensors: list[str] = []
    if cell.phase == "forward" and isinstance(record.producer, ForeignCall):
        tensors = [origin.name for source in record.producer.sources for origin in named_ancestors(source)]
    return Explanation(
        found.value, found.heading, found.formula, found.location, found.expression, found.share, found.consulted,
        cell=cell, symbol=record.symbol, parts=parts or [], tensors=tuple(dict.fromkeys(tensors)),
    )  # fmt: skip


def _value(record: TensorRecord, index: Index) -> Arithmetic:
    tensor = record.value
    value, share, producer = float(tensor[index]), error_share(tensor.dtype), record.producer
    if isinstance(producer, CallRecord):
        operation = producer.operation
        expression, consulted = _derived(operation.derive, producer, index)
        return Arithmetic(value, operation.name, operation.formula, record.location, expression, share, consulted)
    if isinstance(producer, Movement):
        origin, place = producer.locate(record.producer_place, index)
        element = Operand(RecordSource(origin))[tuple(place)]
        formula = f"the same number, moved here by {producer.name}"
        return Arithmetic(value, producer.name, formula, record.named_at, element, share)
    if isinstance(producer, UpdateRecord):
        return producer.arithmetic(index)
    if isinstance(producer, ForeignCall):
        formula = f"computed by PyTorch's {producer.name}, whose formula is not known here"
        return Arithmetic(value, producer.name, formula, record.location)
    given = {"parameter": "a weight of the model", "buffer": "a constant of the model", "activation": "an input"}[
        record.kind
    ]
    return Arithmetic(value, "given", f"given: {given}, nothing in this pass computed it", record.named_at)


def _derived(derive: Any, call: CallRecord, index: Index) -> tuple[Expression, list[Cell]]:
    """The arithmetic of one element, and the whole numbers (ids, targets) that decided what it is."""
    given = operands(call)
    expression = derive(call.operation.call(given, call.options), index)
    sources = [operand.source for operand in given.values() if operand is not None]
    consulted = [cell for source in sources if isinstance(source, RecordSource) for cell in source.consulted]
    return expression, list(dict.fromkeys(consulted))


def _start(value: float, record: TensorRecord) -> Arithmetic:
    if value == 0 and record.consumers:
        return Arithmetic(value, "unused", "no use of this element leads to the loss", record.named_at, Constant(0.0))
    formula = (
        "∂C/∂C = 1: the backward pass starts here" if value == 1 else "the backward pass starts here, with this number"
    )
    return Arithmetic(value, "start", formula, record.location, Constant(value))


def _contributions(record: TensorRecord, index: Index) -> Iterator[Arithmetic]:
    """What each use of an element adds to its gradient; views and copies are followed to the uses behind them."""
    for consumer, place in record.consumers:
        if isinstance(consumer, CallRecord):
            yield from _use(consumer, place, index)
        elif isinstance(consumer, Movement):
            for output, where in consumer.destinations(place, index):
                yield from _moved(consumer, output, where)
        elif any(output.tensor.requires_grad for output in consumer.outputs):
            through = ", ".join(output.name for output in consumer.outputs if output.name)
            formula = f"through PyTorch's {consumer.name}, whose derivative is not known here"
            yield Arithmetic(float("nan"), f"{consumer.name} → {through}", formula, consumer.location)


def _use(call: CallRecord, place: int, index: Index) -> Iterator[Arithmetic]:
    gradient = call.input_gradient(place)
    if gradient is None or call.output is None:
        return
    operation = call.operation
    name = operation.inputs[place]
    expression, consulted = _derived(operation.derivatives[name], call, index)
    output = call.output.gradient
    share = error_share(gradient.dtype, call.output.tensor.dtype, gradient.dtype if output is None else output.dtype)
    heading = f"{name} of {operation.name} → {call.output.name or 'an unnamed result'}"
    yield Arithmetic(
        float(gradient[index]), heading, operation.gradients[name], call.location, expression, share, consulted
    )


def _moved(movement: Movement, output: TensorRecord, index: Index) -> Iterator[Arithmetic]:
    """A moved element's gradient: that of the named tensor it went to, or of the uses behind an unnamed one."""
    if not output.names:
        yield from _contributions(output, index)
        return
    gradient = output.gradient
    if gradient is None:
        return
    element = Operand(RecordSource(output, of_gradient=True))[tuple(index)]
    formula = f"the gradient of the element that {movement.name} moved to {output.name}"
    value = float(gradient[index])
    yield Arithmetic(value, f"moved to {output.name}", formula, output.named_at, element, error_share(gradient.dtype))


def explain_update(cell: Cell, update: UpdateRecord, record: TensorRecord) -> Explanation:
    """How one new weight was computed, or what the optimizer remembered."""
    return _of(update.arithmetic_of(cell.name, cell.index), cell, record)
