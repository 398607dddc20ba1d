"""The lines of code behind the article's five stages, from the trace's own records."""

from __future__ import annotations

from collections.abc import Iterator

from kqv.lab.digits.layers import LayerView
from kqv.trace.location import Location, definition
from kqv.trace.records import CallRecord
from kqv.trace.trace import Trace


def stages_of(trace: Trace, layers: list[LayerView]) -> dict[str, list[Location]]:
    """Where each of the five stages, and the step, was computed, as far as this trace went: the model's line, then the
    operation that it calls; each line once."""
    went_back = "cost" in trace
    found = {
        "input": [trace["x"].location],
        "feedforward": [where for layer in layers for where in _forward(trace, layer)],
        "error": list(_error(trace, layers)) if went_back else [],
        "backpropagation": [where for layer in reversed(layers) for where in _backward(trace, layer, layer.a)]
        if went_back
        else [],
        "gradient": [where for layer in layers for where in _backward(trace, layer)] if went_back else [],
        "update": [update.location for update in trace.updates.values()],
    }
    return {stage: [where for where in dict.fromkeys(lines) if where.file] for stage, lines in found.items()}


def _calls(trace: Trace, *names: str | None) -> Iterator[CallRecord]:
    """The calls that made these tensors."""
    for name in names:
        producer = trace[name].producer if name else None
        if isinstance(producer, CallRecord):
            yield producer


def _forward(trace: Trace, layer: LayerView) -> Iterator[Location]:
    for call in _calls(trace, layer.z, layer.a):
        yield call.location
        yield definition(call.operation.forward)


def _error(trace: Trace, layers: list[LayerView]) -> Iterator[Location]:
    """The cost's line and its derivative, then that of the last activation, where there is one."""
    yield from (call.location for call in _calls(trace, "cost"))
    for call in _calls(trace, "cost", layers[-1].a):
        yield definition(call.operation.backward)


def _backward(trace: Trace, layer: LayerView, a: str | None = None) -> Iterator[Location]:
    for call in _calls(trace, layer.z, a):
        yield definition(call.operation.backward)
