"""What the page shows, as data: tensors with their numbers, and the stored arithmetic of chosen cells."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.trace.kept import unseen
from kqv.trace.records import TensorRecord
from kqv.trace.update import UpdateRecord
from kqv.trace.views.export import describe_pass, describe_tensor
from kqv.trace.views.page.chosen import starting_points, stored_cells
from kqv.trace.views.summary import Summary

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


ROOM = 2_000_000
"""About so many numbers go into one page; with many large tensors each one's part is smaller."""

FIELDS = {"forward": "value", "backward": "gradient", "update": "update"}
"""Where a tensor's numbers of a phase stand."""

ROOM_FOR_WEIGHTS = 100_000
"""About so many numbers of all weights; each stands there three times: before, its gradient, and after the update."""


def page_content(trace: Trace, command: str, most_cells: int, elements: int) -> dict[str, Any]:
    """Everything that the page embeds."""
    with unseen():
        elements = min(elements, max(1024, ROOM // max(1, 2 * len(trace.tensors))))
        weights = sum(record.kind != "activation" for record in trace.tensors)
        of_weight = min(elements, max(1024, ROOM_FOR_WEIGHTS // max(1, weights)))
        tensors = [
            _tensor(trace, record, elements if record.kind == "activation" else of_weight) for record in trace.tensors
        ]
        starts = starting_points(trace)
        cells = stored_cells(trace, [cell for cell, _ in starts], most_cells)
        held = {(tensor["name"], field) for tensor in tensors for field in FIELDS.values() if _is_whole(tensor, field)}
        for cell in cells.values():
            for part in [cell, *cell["parts"]]:
                part["from"] = [_without_value(trace, source, held) for source in part["from"]]
        return {
            **describe_pass(trace),
            "command": command,
            "picture": _picture_sizes(trace),
            "starts": [{"cell": str(cell), "words": words} for cell, words in starts],
            "tensors": tensors,
            "cells": cells,
        }


def _is_whole(tensor: dict[str, Any], field: str) -> bool:
    """Whether the page holds all of a tensor's numbers."""
    return tensor[field] is not None and tensor[field]["kept"] == tensor["sizes"]


def _without_value(trace: Trace, source: dict[str, Any], held: set[tuple[str, str]]) -> dict[str, Any]:
    """A source of some arithmetic; its value only where the page does not hold that number already."""
    try:
        cell = trace.read(source["cell"])
    except TraceError:  # what an optimizer remembers, a setting
        return source
    if (cell.name, FIELDS[cell.phase]) not in held:
        return source
    return {name: content for name, content in source.items() if name != "value"}


def _tensor(trace: Trace, record: TensorRecord, elements: int) -> dict[str, Any]:
    value, gradient = record.readable_value, record.readable_gradient
    update = trace.updates.get(record.name)
    return {
        **describe_tensor(trace, record),
        "value": None if value is None else numbers(value, elements),
        "gradient": None if gradient is None else numbers(gradient, elements),
        "update": None if update is None else _update(update, elements),
    }


def _update(update: UpdateRecord, elements: int) -> dict[str, Any]:
    return {
        **numbers(update.after, elements),
        "rule": update.name,
        "formula": update.formula,
        "settings": update.settings,
        "summary": Summary.of(update.after).as_dict(),
    }


def numbers(tensor: Tensor, elements: int) -> dict[str, Any]:
    """A tensor's numbers as float32 in base64; of a large one the first places along each dimension."""
    kept = kept_sizes(tuple(tensor.shape), elements)
    part = tensor.detach()[tuple(slice(size) for size in kept)] if kept else tensor.detach()
    data = part.to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()
    return {"kept": list(kept), "data": base64.b64encode(data).decode("ascii")}


def kept_sizes(sizes: tuple[int, ...], elements: int) -> tuple[int, ...]:
    """Sizes of the part that is kept: the longest dimension is shortened until all fits."""
    kept = list(sizes)
    count = 1
    for size in kept:
        count *= size
    while count > elements:
        longest = max(range(len(kept)), key=lambda axis: kept[axis])
        others = count // kept[longest]
        second = max((size for axis, size in enumerate(kept) if axis != longest), default=1)
        kept[longest] = max(1, elements // others, min(second, kept[longest] // 2))
        count = others * kept[longest]
    return tuple(kept)


def _picture_sizes(trace: Trace) -> list[int] | None:
    """Rows and columns of the traced picture, which vectors of as many numbers are shown in."""
    for record in trace.tensors:
        if record.dimensions[-2:] == ("row", "column"):
            return list(record.sizes[-2:])
    return None
