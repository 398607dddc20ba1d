"""Explaining one number: the formula, the arithmetic with the recorded numbers, and the elements it came from.

All of it stands here. For each kind of producer (a call, a movement, a function of PyTorch, an optimizer's step)
`_made` says how an element of what it made came about, and `_uses` what it adds to the gradient of an element that it
took.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from torch import Tensor

from kqv.arithmetic import Constant, Expression, Index, Named, Operand, Power, Sum, Total, sqrt
from kqv.trace.cells import Cell
from kqv.trace.explanation import Arithmetic, Explanation, error_share
from kqv.trace.movements import Movement
from kqv.trace.operands import RecordSource, RememberedSource, named_ancestors, operands
from kqv.trace.records import CallRecord, ForeignCall, Producer, TensorRecord, require
from kqv.trace.update import NORM, ShownRule, UpdateCall, UpdateRecord

GIVEN = {"parameter": "a weight of the model", "buffer": "a constant of the model", "activation": "an input"}


def explain_value(cell: Cell, record: TensorRecord) -> Explanation:
    """How one element of a tensor was computed."""
    return _of(_made(record.producer, record, cell.index), cell, record)


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


def explain_update(cell: Cell, update: UpdateRecord, others: dict[str, UpdateRecord]) -> Explanation:
    """How one number of an optimizer's step came about: a new weight, what the rule computed on the way, the clipped
    gradient and its norm; or that it was remembered. `others` are the updates of the same step, by their names."""
    tensor, own = update.remembered(cell.name), cell.name.removeprefix(f"{update.parameter}.")
    if tensor is None:
        found = _new_weight(update, cell.index)
    elif cell.name == NORM:
        found = _common_norm(update, [other for other in others.values() if other.clip is update.clip])
    elif own == NORM:
        found = _norm(update, tensor)
    elif own in update.shown and isinstance(update.rule, ShownRule):
        found = _computed_on_the_way(update, update.rule, own, cell.index)
    elif own == "gradient":
        found = _gradient_used(update, cell.index)
    else:
        story = f"given: what {update.name} remembered of earlier steps"
        found = Arithmetic(float(tensor[cell.index]), "given", story)
    explanation = _of(found, cell, update.record)
    explanation.occasion = update.occasion
    return explanation


def explain_lost(cell: Cell, record: TensorRecord) -> Explanation:
    """What is left to say of an element whose number was overwritten since: what it was computed from."""
    formula = f"computed by {record.origin}, and overwritten in place later: the number is lost"
    found = Arithmetic(float("nan"), "lost", formula, record.location, tensors=computed_from(record))
    return _of(found, cell, record)


def _of(found: Arithmetic, cell: Cell, record: TensorRecord, parts: list[Arithmetic] | None = None) -> Explanation:
    return Explanation(
        found.value, found.heading, found.formula, found.location, found.expression, found.share, found.consulted,
        found.tensors, cell=cell, symbol=record.symbol, parts=parts or [],
    )  # fmt: skip


@singledispatch
def _made(producer: Producer | None, record: TensorRecord, index: Index) -> Arithmetic:
    """How an element of a tensor came about, by what made the tensor; here: nothing that is known."""
    formula = f"given: {GIVEN[record.kind]}, nothing in this pass computed it"
    return Arithmetic(float(record.value[index]), "given", formula, record.named_at)


@_made.register
def _called(call: CallRecord, record: TensorRecord, index: Index) -> Arithmetic:
    value = record.value
    expression, consulted = derived(call.operation.derive, call, index)
    share = error_share(value.dtype)
    return Arithmetic(float(value[index]), call.name, call.formula, call.location, expression, share, consulted)


@_made.register
def _moved(movement: Movement, record: TensorRecord, index: Index) -> Arithmetic:
    value = record.value
    origin, position = movement.origin(record.producer_position, index)
    element = Operand(RecordSource(origin))[tuple(position)]
    formula = f"the same number, moved here by {movement.name}"
    share = error_share(value.dtype)
    return Arithmetic(float(value[index]), movement.name, formula, movement.location, element, share)


@_made.register
def _computed_by_pytorch(call: ForeignCall, record: TensorRecord, index: Index) -> Arithmetic:
    formula = f"computed by PyTorch's {call.name}, whose formula is not known here"
    value = float(record.value[index])
    return Arithmetic(value, call.name, formula, record.location, tensors=computed_from(record))


def computed_from(record: TensorRecord) -> tuple[str, ...]:
    """The whole tensors from which a tensor was computed in a way that is not known."""
    sources = () if record.producer is None else record.producer.taken_whole()
    names = [origin.name for source in sources for origin in named_ancestors(source)]
    return tuple(dict.fromkeys(names))


@_made.register
def _updated(update: UpdateRecord, record: TensorRecord, index: Index) -> Arithmetic:
    return _new_weight(update, index)


def derived(derive: Any, call: CallRecord, index: Index) -> tuple[Expression, list[Cell]]:
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
    for consumer, position in record.consumers:
        yield from _uses(consumer, position, index)


@singledispatch
def _uses(consumer: Producer, position: int, index: Index) -> Iterator[Arithmetic]:
    """What a consumer adds to the gradient of an element of its input number `position`."""
    return iter(())


@_uses.register
def _use_by_call(call: CallRecord, position: int, index: Index) -> Iterator[Arithmetic]:
    gradient = call.input_gradient(position)
    if gradient is None or call.output is None:
        return
    operation = call.operation
    name = operation.inputs[position]
    expression, consulted = derived(operation.derivatives[name], call, index)
    output = call.output.gradient
    share = error_share(gradient.dtype, call.output.tensor.dtype, gradient.dtype if output is None else output.dtype)
    heading = f"{name} of {operation.name} → {call.output.name or 'an unnamed result'}"
    yield Arithmetic(
        float(gradient[index]), heading, operation.gradients[name], call.location, expression, share, consulted
    )


@_uses.register
def _use_by_movement(movement: Movement, position: int, index: Index) -> Iterator[Arithmetic]:
    """The gradient of the named tensor that the element was moved to, or of the uses behind an unnamed one."""
    for output, where in movement.destinations(position, index):
        gradient = output.gradient if output.names else None
        if not output.names:
            yield from _contributions(output, where)
        elif gradient is not None:
            element = Operand(RecordSource(output, of_gradient=True))[tuple(where)]
            formula = f"the gradient of the element that {movement.name} moved to {output.name}"
            value, share = float(gradient[where]), error_share(gradient.dtype)
            yield Arithmetic(value, f"moved to {output.name}", formula, movement.location, element, share)


@_uses.register
def _use_by_pytorch(call: ForeignCall, position: int, index: Index) -> Iterator[Arithmetic]:
    if any(output.differentiable for output in call.outputs):
        through = ", ".join(output.name for output in call.outputs if output.name)
        formula = f"through PyTorch's {call.name}, whose derivative is not known here"
        yield Arithmetic(float("nan"), f"{call.name} → {through}", formula, call.location)


def _new_weight(update: UpdateRecord, index: Index) -> Arithmetic:
    value = float(update.after[index])
    if update.rule is None:
        formula = f"computed by {update.name}, whose formula is not known here"
        return Arithmetic(value, update.name, formula, update.location)
    formula, share = formula_of_update(update)
    expression = update.rule.derive(call_of_update(update), index)
    return Arithmetic(value, update.name, formula, update.location, expression, share)


def formula_of_update(update: UpdateRecord) -> tuple[str, float]:
    """The formula of a new weight, and the tolerance of its arithmetic."""
    share = error_share(update.after.dtype, *(tensor.dtype for tensor in update.shown.values()))
    formula = update.formula + (f"; {_CLIPPED}" if update.is_clipped else "")
    return formula, max(share, getattr(update.rule, "error_share", 0.0))


def _computed_on_the_way(update: UpdateRecord, rule: ShownRule, own: str, index: Index) -> Arithmetic:
    formula, expression = rule.derive_shown(call_of_update(update), own, index)
    share = error_share(*(tensor.dtype for tensor in update.shown.values()))
    return Arithmetic(float(update.shown[own][index]), update.name, formula, update.location, expression, share)


_CLIPPED = "∂C/∂w clipped: ∂C/∂w·clip/(‖g‖ + ε), where the norm ‖g‖ of all gradients together is above the clip"


def _gradient_used(update: UpdateRecord, index: Index) -> Arithmetic:
    value = float(update.gradient[index])
    if update.is_clipped:
        expression, share = _gradient(update)[index], error_share(update.gradient.dtype)
        return Arithmetic(value, "clip", _CLIPPED, update.location, expression, share)
    if update.gradient_is_the_passes:
        return Arithmetic(value, "given", f"given: the same as grad:{update.parameter}")
    found = f"given: what the optimizer found; it is not grad:{update.parameter} of this pass, but was changed before"
    return Arithmetic(value, "given", f"{found}: clipped or summed up")


def _norm(update: UpdateRecord, norm: Tensor) -> Arithmetic:
    expression = sqrt(Sum(Power(_unclipped(update)[...], 2)))
    return Arithmetic(float(norm), "norm", "‖∂C/∂w‖ = √Σ(∂C/∂w)²", expression=expression)


def _common_norm(update: UpdateRecord, updates: list[UpdateRecord]) -> Arithmetic:
    assert update.clip is not None
    squares = [
        Power(Operand(RememberedSource(f"{name}.{NORM}", norm, ()))[()], 2) for name, norm in update.clip.norms.items()
    ]
    formula = f"‖g‖ = √Σ‖∂C/∂w‖² over the gradients of all {len(squares)} parameters"
    return Arithmetic(float(update.clip.norm), "norm", formula, expression=sqrt(Total(tuple(squares))))


@dataclass(frozen=True)
class _Clipped:
    """A gradient as the rule takes it, as an operand: each element times the clip over the norm."""

    gradient: Operand
    factor: Expression

    @property
    def shape(self) -> tuple[int, ...]:
        return self.gradient.shape

    def __getitem__(self, index: Any) -> Expression:
        return Named("clipped ∂C/∂w", self.gradient[index] * self.factor)


def _unclipped(update: UpdateRecord) -> Operand:
    if update.gradient_is_the_passes:
        return Operand(RecordSource(update.record, of_gradient=True))
    return Operand(_source(update, "gradient", update.unclipped))


def _gradient(update: UpdateRecord) -> Operand | _Clipped:
    if update.clip is None or not update.is_clipped:
        return _unclipped(update)
    norm = Operand(RememberedSource(NORM, update.clip.norm, ()))[()]
    return _Clipped(_unclipped(update), Named("clip/‖g‖", update.clip.most / (norm + update.clip.EPSILON)))


def call_of_update(update: UpdateRecord) -> UpdateCall:
    """An update as its rule's derivation sees it."""
    found = {name: Operand(_source(update, name, tensor)) for name, tensor in {**update.state, **update.shown}.items()}
    weight = Operand(RecordSource(update.record))
    return UpdateCall({**found, "weight": weight, "gradient": _gradient(update)}, update.settings)


def _source(update: UpdateRecord, name: str, tensor: Tensor) -> RememberedSource:
    full = f"{update.parameter}.{name}"
    return RememberedSource(full, tensor, update.dimensions_of(full))
