"""What the page shows, as data: tensors with their numbers, the text, and the stored arithmetic of chosen cells."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kqv.errors import TraceError
from kqv.recording import unseen
from kqv.trace.records import TensorRecord
from kqv.trace.update import UpdateRecord
from kqv.trace.views.export import describe_pass, describe_tensor
from kqv.trace.views.page.chosen import every_cell, starting_points, stored_cells
from kqv.trace.views.page.numbers import Positions, numbers
from kqv.trace.views.page.operands import made_from
from kqv.trace.views.page.sentence import describe_texts
from kqv.trace.views.page.shown import UPDATED_TOKENS, Shown, shown
from kqv.trace.views.summary import Summary

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


FIELDS = {"forward": "value", "backward": "gradient", "update": "update"}
"""Where a tensor's numbers of a phase stand."""

MOST_CELLS = 300
"""Of a model whose blocks are not all shown, so many explanations are stored at most."""


def page_content(
    trace: Trace, command: str, most_cells: int, elements: int, word: str | None = None, everything: bool = False
) -> dict[str, Any]:
    """All that the page embeds; with `everything` each of its numbers tells its arithmetic."""
    with unseen():
        chosen = shown(trace, elements, word)
        words: list[list[str]] = []
        tensors = [_tensor(trace, record, chosen, words) for record in chosen.records]
        starts = starting_points(trace, chosen.records)
        is_folded = chosen.whole != chosen.blocks
        limit = min(most_cells, MOST_CELLS) if is_folded else most_cells
        first = [cell for cell, _ in starts]
        if everything:
            first, limit = [*first, *every_cell(trace, chosen.records)], sys.maxsize
        cells = stored_cells(trace, first, chosen.records, limit)
        held = {(tensor["name"], field) for tensor in tensors for field in FIELDS.values() if _is_whole(tensor, field)}
        for cell in cells.values():
            for part in [cell, *cell["parts"]]:
                part["from"] = [_without_value(trace, source, held) for source in part["from"]]
        described = describe_pass(trace)
        described["updates"] = {name: update for name, update in described["updates"].items() if name in chosen.room}
        return {
            **described,
            "command": command,
            "everything": everything,
            "picture": _picture_sizes(trace),
            "starts": [{"cell": str(cell), "words": said} for cell, said in starts],
            "texts": describe_texts(trace, chosen, word),
            "blocks": {"all": chosen.blocks, "whole": chosen.whole},
            "words": words,
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


def _tensor(trace: Trace, record: TensorRecord, chosen: Shown, words: list[list[str]]) -> dict[str, Any]:
    value, gradient = record.readable_value, record.readable_gradient
    update = trace.updates.get(record.name)
    room, positions = chosen.room[record.name], chosen.positions[record.name]
    later, room_later = positions, chosen.later.get(record.name, room)  # of gradients and updates
    if record.kind != "activation" and positions:
        later = {axis: list(found)[:UPDATED_TOKENS] for axis, found in positions.items()}
    described = describe_tensor(trace, record)
    described["axis labels"] = _shared(described["axis labels"], record, positions, words)
    return {
        **described,
        "value": None if value is None else numbers(value, room, positions),
        "gradient": None if gradient is None else numbers(gradient, room_later, later),
        "update": None if update is None else _update(update, room_later, later),
        "made": None if value is None else made_from(record),
    }


def _shared(
    labels: dict[str, list[str]], record: TensorRecord, positions: Positions, words: list[list[str]]
) -> dict[str, Any]:
    """The words of each dimension: the number of a list that tensors share, or of some positions these alone."""
    found: dict[str, Any] = {}
    for dimension, said in labels.items():
        axis = record.dimensions.index(dimension)
        if axis in positions and len(said) > len(positions[axis]):
            found[dimension] = {str(position): said[position] for position in positions[axis]}
            continue
        if said not in words:
            words.append(said)
        found[dimension] = words.index(said)
    return found


def _update(update: UpdateRecord, room: int, positions: Positions) -> dict[str, Any]:
    return {
        **numbers(update.after, room, positions),
        "rule": update.name,
        "formula": update.formula,
        "settings": update.settings,
        "summary": Summary.of(update.after).as_dict(),
    }


def _picture_sizes(trace: Trace) -> list[int] | None:
    """Rows and columns of the traced picture, which vectors of as many numbers are shown in."""
    for record in trace.tensors:
        if record.dimensions[-2:] == ("row", "column"):
            return list(record.sizes[-2:])
    return None
