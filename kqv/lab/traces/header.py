"""What a page has to know of a trace before it asks for numbers: every tensor with names, dimensions and formulas."""

from __future__ import annotations

from typing import Any

from kqv.lab.traces.kept import KeptTrace
from kqv.recording import unseen
from kqv.trace.cells import PHASES
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace
from kqv.trace.update import NORM
from kqv.trace.views.export import describe_pass, gradient_formulas
from kqv.trace.views.folding import alike

MOST_WORDS = 4096
"""Up to so many words of a dimension stand in the header; of longer ones a page asks for those that it shows."""


def header(kept: KeptTrace) -> dict[str, Any]:
    """The whole header of a trace; its numbers, summaries and long lists of words are asked for by themselves."""
    trace = kept.trace
    with unseen():
        records = trace.tensors
        return {
            "id": kept.id,
            "input": kept.traced.input,
            "heading": kept.traced.heading,
            "about": kept.about,
            **describe_pass(trace),
            "phases": [phase for phase in PHASES if _has(trace, phase)],
            "words": _common_words(trace, records),
            "alike": alike(records),
            "tensors": [_described(trace, record) for record in records],
        }


def _has(trace: Trace, phase: str) -> bool:
    if phase == "update":
        return bool(trace.updates)
    return phase == "forward" or any(record.readable_gradient is not None for record in trace.tensors)


def _described(trace: Trace, record: TensorRecord) -> dict[str, Any]:
    gradient = record.readable_gradient
    return {
        "name": record.name,
        "aliases": record.aliases,
        "module": record.path,
        "kind": record.kind,
        "symbol": record.symbol,
        "dimensions": list(record.dimensions) if len(record.dimensions) == len(record.sizes) else [],
        "sizes": list(record.sizes),
        "integer": not record.tensor.is_floating_point(),
        "origin": record.origin,
        "formula": record.formula,
        "gradient formulas": gradient_formulas(record),
        "location": str(record.location),
        "phases": phases_of(trace, record, gradient is not None),
        "meaning": trace.meanings.texts.get(record.name, ""),
        "words": _own_words(trace, record),
        "elements": list(trace.meanings.elements.get(record.name, ()))[:MOST_WORDS],
        "update tensors": _update_tensors(trace, record.name),
    }


def phases_of(trace: Trace, record: TensorRecord, has_gradient: bool) -> list[str]:
    """In which phases a tensor has numbers."""
    forward = ["forward"] if record.kept.unchanged else []
    return forward + ["backward"] * has_gradient + ["update"] * (record.name in trace.updates)


def _update_tensors(trace: Trace, name: str) -> list[dict[str, Any]]:
    """What an optimizer's step used and computed for a parameter, by their own names."""
    update = trace.updates.get(name)
    if update is None:
        return []
    tensors = update.tensors() if update.clip is None else {**update.tensors(), NORM: update.clip.norms[name]}
    return [
        {"name": own, "sizes": list(tensor.shape), "dimensions": list(update.dimensions_of(f"{name}.{own}"))}
        for own, tensor in tensors.items()
    ]


def _common_words(trace: Trace, records: list[TensorRecord]) -> dict[str, list[list[str]]]:
    """The words of dimensions that mean the same in every tensor, one list for each example of the batch."""
    sizes: dict[str, int] = {}
    for record in records:
        for dimension, size in zip(record.dimensions, record.sizes, strict=False):
            sizes[dimension] = max(size, sizes.get(dimension, 0))
    return _words(trace, "", sizes)


def _own_words(trace: Trace, record: TensorRecord) -> dict[str, list[list[str]]]:
    """The words of dimensions that are a tensor's own."""
    return _words(trace, record.name, dict(zip(record.dimensions, record.sizes, strict=False)))


def _words(trace: Trace, name: str, sizes: dict[str, int]) -> dict[str, list[list[str]]]:
    found = {}
    for (owner, dimension), axis in trace.meanings.axes.items():
        size = sizes.get(dimension, 0)
        if owner == name and 0 < size <= MOST_WORDS:
            examples = len(axis.labels) if axis.by_example else 1
            found[dimension] = [trace.meanings.of_axis(name, dimension, size, example) for example in range(examples)]
    return found
