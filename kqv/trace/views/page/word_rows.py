"""What a page has to hold so that one attention score of a word can be walked back to the stream."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from kqv.errors import TraceError
from kqv.trace.cells import Cell
from kqv.trace.operands import Spot, spots_of
from kqv.trace.records import TensorRecord
from kqv.trace.views.attention import Attended, attended
from kqv.trace.views.page.numbers import Positions

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


def row_of_word(trace: Trace, word: str) -> Attended | None:
    """The head that gives most from a word to one before it, and what it gives it to; none without attention."""
    try:
        rows = attended(trace, word).varied(1024)
    except TraceError:
        return None
    return next((row for row in rows if row.keys.stop < row.query), rows[0] if rows else None)


def needed_for(trace: Trace, row: Attended) -> dict[str, Positions]:
    """The tensors that the row's score was made from, back to what came into its block, with the positions of weights
    that are needed: whole rows of its head's projections, which explain that head at every position."""
    found = _walked(trace, _score(row), row.attention.module)
    needed: dict[str, Positions] = {}
    for name, positions in found.items():
        record = trace[name]
        if record.kind == "activation":
            needed[name] = {}
        elif len(record.sizes) > 1:
            needed[name] = {0: sorted({position // int(np.prod(record.sizes[1:])) for position in positions})}
        else:
            needed[name] = {}
    return needed


def _score(row: Attended) -> Cell:
    """The weight's cell: of grouped heads the head is two axes."""
    record = row.attention.record
    heads = record.sizes[1:-2]
    head = tuple(int(at) for at in np.unravel_index(row.head, heads))
    return record.cell("forward", (0, *head, row.query, row.keys.stop - 1))


def _walked(trace: Trace, start: Cell, module: str) -> dict[str, set[int]]:
    """Elements by tensor: those that the start was computed from within its module, and the step before that."""
    needed: dict[str, set[int]] = defaultdict(set)
    waiting, seen = [start], {str(start)}
    while waiting:
        cell = waiting.pop()
        record = trace[cell.name]
        for spot in _spots(trace, cell):
            if spot.phase != "forward" or spot.record is None:
                continue
            positions = spot.positions.tolist()
            if record.origin == "softmax":  # of a whole row of scores the one that was asked about
                positions = [position for position in positions if spot.cell(position).index == cell.index]
            needed[spot.name].update(positions)
            if _is_walked(spot.record, record, module):
                for position in positions if spot.record.path == module else positions[:1]:
                    following = spot.cell(position)
                    if str(following) not in seen:
                        seen.add(str(following))
                        waiting.append(following)
    return needed


def _spots(trace: Trace, cell: Cell) -> list[Spot]:
    explanation = trace.explain(cell)
    return [] if explanation.expression is None else list(spots_of(explanation.expression))


def _is_walked(record: TensorRecord, before: TensorRecord, module: str) -> bool:
    """Whether to walk further: over all of the attention's own tensors, and one step beyond them."""
    return record.kind == "activation" and (record.path == module or before.path == module)
