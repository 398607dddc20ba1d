"""For each tensor of a trace, in each phase, the arithmetic of all of its numbers, as data.

`trees` hold each expression once: calls of one operation with equal sizes and options have one in common, and name
their own operands. What cannot be told so says why (`"unknown"`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kqv.arithmetic import Expression, open_index
from kqv.errors import Error
from kqv.recording import unseen
from kqv.trace.explain import GIVEN, call_of_update, computed_from, derived, formula_of_update
from kqv.trace.explanation import TOLERANCE, error_share
from kqv.trace.movements import Movement
from kqv.trace.opened.trees import Tree
from kqv.trace.opened.views import view_of, view_of_source, ways_of
from kqv.trace.operands import RememberedSource
from kqv.trace.records import CallRecord, ForeignCall, Producer, TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.update import UpdateRecord

MOST_TOLD = 12
"""Whole numbers that decided what is computed, of one number's arithmetic."""


@dataclass
class Answers:
    """The arithmetic of all numbers of some tensors, as data for JSON (`as_data`)."""

    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    trees: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    _trees: dict[str, int] = field(default_factory=dict)
    _hidden: dict[int, int] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, trace: Trace, records: Iterable[TensorRecord] | None = None) -> Answers:
        """Of these tensors of a trace (by default all), with their gradients and updates."""
        answers = cls()
        with unseen():
            for record in trace.tensors if records is None else records:
                answers._add(record, trace.updates.get(record.name))
        for name in answers._taken - set(answers.tensors):
            if name in trace:
                answers.others[name] = _about(trace[name].sizes, trace[name].dimensions)
        return answers

    def as_data(self) -> dict[str, Any]:
        """Everything, for JSON."""
        names = ("tensors", "trees", "texts", "hidden", "others", "unknown")
        return {name: getattr(self, name) for name in names}

    def _add(self, record: TensorRecord, update: UpdateRecord | None) -> None:
        found: dict[str, Any] = {}
        if record.readable_value is not None:
            found["forward"] = self._forward(record)
        if record.readable_gradient is not None:
            found["backward"] = {"uses": self._uses(record), "used": bool(record.consumers)}
        if update is not None:
            found["update"] = self._updated(update)
        self.tensors[record.name] = found

    def _forward(self, record: TensorRecord) -> dict[str, Any]:
        producer = record.producer
        if producer is None:
            return {"given": self._text(GIVEN[record.kind])}
        if isinstance(producer, ForeignCall):
            return {"whole": list(computed_from(record)), "formula": self._text(producer.name)}
        if isinstance(producer, Movement):
            return self._moved(record, producer)
        if isinstance(producer, CallRecord):
            return self._told(
                producer.name,
                lambda: self._called(producer.operation.derive, producer, len(record.sizes)),
                error_share(record.tensor.dtype),
            )
        return {"unknown": producer.name}

    def _moved(self, record: TensorRecord, movement: Movement) -> dict[str, Any]:
        def build() -> dict[str, Any]:
            tree = {"nodes": [["elements", 0, [["i", axis] for axis in range(len(record.sizes))], []]]}
            return {"tree": self._tree(tree), "operands": self._taken_from([view_of(record, through=True)])}

        return {"moved": movement.name} | self._told(movement.name, build, error_share(record.tensor.dtype))

    def _told(self, name: str, build: Callable[[], dict[str, Any]], share: float) -> dict[str, Any]:
        """What `build` gives, or why it cannot."""
        try:
            found = build()
        except (Error, TypeError, ValueError) as failure:
            self.unknown.setdefault(name, str(failure))
            return {"unknown": name}
        return found | ({"share": share} if share != TOLERANCE else {})

    def _called(self, derive: Any, call: CallRecord, axes: int) -> dict[str, Any]:
        expression, consulted = derived(derive, call, open_index(axes))
        return self._expressed(expression) | ({"told": [str(c) for c in consulted[:MOST_TOLD]]} if consulted else {})

    def _expressed(self, expression: Expression) -> dict[str, Any]:
        tree = Tree.of(expression)
        for source in tree.sources:
            if isinstance(source, RememberedSource):
                self.others[source.name] = _about(source.shape, source.dimensions)
        return {"tree": self._tree(tree.as_data()), "operands": self._taken_from(map(view_of_source, tree.sources))}

    def _taken_from(self, views: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        found = list(views)
        self._taken.update(name for view in found for name in view.get("tensors", [view.get("tensor")]))
        return found

    def _tree(self, data: dict[str, Any]) -> int:
        return _numbered(json.dumps(data, ensure_ascii=False, allow_nan=False), data, self._trees, self.trees)

    def _text(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)

    def _uses(self, record: TensorRecord) -> list[dict[str, Any]]:
        """What each use of an element adds to its gradient."""
        found = (self._use(consumer, position) for consumer, position in record.consumers)
        return [use for use in found if use is not None]

    def _use(self, consumer: Producer, position: int) -> dict[str, Any] | None:
        if isinstance(consumer, CallRecord):
            return self._use_by_call(consumer, position)
        if isinstance(consumer, Movement):
            return self._use_by_movement(consumer, position)
        if isinstance(consumer, ForeignCall) and any(output.differentiable for output in consumer.outputs):
            through = ", ".join(output.name for output in consumer.outputs if output.name)
            formula = f"through PyTorch's {consumer.name}, whose derivative is not known here"
            return {
                "foreign": f"{consumer.name} → {through}", "formula": self._text(formula),
                "location": self._text(str(consumer.location)),
            }  # fmt: skip
        return None

    def _use_by_call(self, call: CallRecord, position: int) -> dict[str, Any] | None:
        gradient = call.input_gradient(position)
        if gradient is None or call.output is None:
            return None
        operation, output = call.operation, call.output.gradient
        name = operation.inputs[position]
        share = error_share(
            gradient.dtype, call.output.tensor.dtype, gradient.dtype if output is None else output.dtype
        )
        told = self._told(
            f"{name} of {operation.name}",
            lambda: self._called(operation.derivatives[name], call, gradient.dim()),
            share,
        )
        return {
            "use": f"{name} of {operation.name} → {call.output.name or 'an unnamed result'}",
            "formula": self._text(operation.gradients[name]), "location": self._text(str(call.location)),
        } | told  # fmt: skip

    def _use_by_movement(self, movement: Movement, position: int) -> dict[str, Any] | None:
        ways = []
        for output, way in ways_of(movement, position):
            if not output.names:
                ways.append(way | {"hidden": self._hidden_uses(output), "whole": list(output.sizes)})
            elif output.readable_gradient is not None:
                ways.append(way | {"to": output.name})
                self._taken.add(output.name)
        if not ways:
            return None
        return {"moved": movement.name, "location": self._text(str(movement.location)), "ways": ways}

    def _hidden_uses(self, record: TensorRecord) -> int:
        """The number of the uses of a tensor without a name."""
        if id(record) not in self._hidden:
            number = self._hidden[id(record)] = len(self.hidden)
            self.hidden.append(None)
            self.hidden[number] = self._uses(record)
        return self._hidden[id(record)]

    def _updated(self, update: UpdateRecord) -> dict[str, Any]:
        rule, axes = update.rule, len(update.record.sizes)
        if rule is None:
            return {"whole": [], "formula": self._text(update.name)}
        formula, share = formula_of_update(update)
        call = call_of_update(update)
        told = self._told(
            f"update by {update.name}",
            lambda: self._expressed(rule.derive(call, open_index(axes))),
            share,
        )
        return {"formula": self._text(formula), "location": self._text(str(update.location))} | told


def _about(sizes: Iterable[int], dimensions: Iterable[str]) -> dict[str, Any]:
    return {"sizes": list(sizes), "dimensions": list(dimensions)}


def _numbered(key: str, content: Any, numbers: dict[str, int], kept: list[Any]) -> int:
    if key not in numbers:
        numbers[key] = len(kept)
        kept.append(content)
    return numbers[key]
