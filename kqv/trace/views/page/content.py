"""What the page shows, as data: tensors with their numbers, the text, and the stored arithmetic of chosen cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kqv.recording import unseen
from kqv.trace.opened.answers import Answers
from kqv.trace.records import TensorRecord
from kqv.trace.update import UpdateRecord
from kqv.trace.views.export import describe_pass, describe_tensor
from kqv.trace.views.page.chosen import starting_points, stored_cells
from kqv.trace.views.page.corners import corner
from kqv.trace.views.page.held import Held
from kqv.trace.views.page.numbers import Positions, compact, numbers
from kqv.trace.views.page.sentence import describe_texts
from kqv.trace.views.page.shown import UPDATED_TOKENS, Shown, shown
from kqv.trace.views.summary import Summary

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


MOST_CELLS = 120
"""Of a model whose blocks are not all shown, so many explanations are stored at most."""


def page_content(
    trace: Trace, command: str, most_cells: int, elements: int, word: str | None = None, everything: bool = False
) -> dict[str, Any]:
    """All that the page embeds: the numbers, the arithmetic of each with its index left open, and stored explanations
    of some of those that take more numbers than the page holds."""
    with unseen():
        chosen = shown(trace, elements, word)
        words: list[list[str]] = []
        tensors = [_tensor(trace, record, chosen, words) for record in chosen.records]
        starts = starting_points(trace, chosen.records)
        answers = Answers.of(trace, chosen.records).as_data()
        remembered = _remembered(trace, answers, chosen)
        held = Held.of(tensors, remembered, answers["others"])
        limit = min(most_cells, MOST_CELLS) if chosen.whole != chosen.blocks else most_cells
        cells = {} if held.is_all else stored_cells(trace, [cell for cell, _ in starts], chosen.records, limit, held)
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
            "answers": answers,
            "remembered": remembered,
            "cells": cells,
        }


def _remembered(trace: Trace, answers: dict[str, Any], chosen: Shown) -> dict[str, Any]:
    """What optimizers remembered, as far as the updates' arithmetic takes it, each in the room of its weight."""
    found: dict[str, Any] = {}
    for name in answers["others"]:
        parameter = name.rpartition(".")[0]
        update = trace.updates.get(parameter) or next(iter(trace.updates.values()), None)
        tensor = None if update is None or name in trace else update.remembered(name)
        if tensor is None:
            continue
        room, positions = chosen.room.get(parameter, 1), chosen.positions.get(parameter, {})
        same = parameter in trace and tuple(tensor.shape) == trace[parameter].sizes
        found[name] = compact(tensor, room, _updated(positions) if same else None)
    return found


def _updated(positions: Positions) -> Positions:
    """The positions of a weight whose gradient and update are kept."""
    return {axis: list(found)[:UPDATED_TOKENS] for axis, found in positions.items()}


def _tensor(trace: Trace, record: TensorRecord, chosen: Shown, words: list[list[str]]) -> dict[str, Any]:
    value, gradient = record.readable_value, record.readable_gradient
    update = trace.updates.get(record.name)
    room, positions = chosen.room[record.name], chosen.positions[record.name]
    later, room_later = positions, chosen.later.get(record.name, room)  # of gradients and updates
    if record.kind != "activation":
        later = (
            _updated(positions) if record.dimensions[:1] == ("vocab",) or update is not None else corner(record, chosen)
        )
    described = describe_tensor(trace, record)
    described["axis labels"] = _shared(described["axis labels"], record, positions, words)
    return {
        **described,
        "undrawn": [part for part in ("value", "gradient") if (record.name, part) in chosen.undrawn],
        "value": None if value is None else numbers(value, room, positions),
        "gradient": None if gradient is None else numbers(gradient, room_later, later),
        "update": None if update is None else _update(update, room_later, later),
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
