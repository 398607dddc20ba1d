"""Where to begin reading, and which numbers of a page that holds a part of its tensors have stored explanations."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.trace.ancestry import next_cell
from kqv.trace.cells import Cell, Phase
from kqv.trace.records import TensorRecord
from kqv.trace.views.page.held import Held

if TYPE_CHECKING:
    from kqv.trace.trace import Trace

MOST_FOLLOWED = 3
"""For each explanation that is stored so many are looked at, at most."""

SMALL = 64
"""Tensors with at most so many elements are explained whole, as long as there is room."""


def starting_points(trace: Trace, records: list[TensorRecord]) -> list[tuple[Cell, str]]:
    """Cells to begin reading at: the verdict or the largest result, the loss, a weight's gradient and its update."""
    found: list[tuple[Cell, str]] = []
    ends = [record for record in records if record.kind == "activation" and record.producer and not record.consumers]
    losses = [record for record in ends if not record.sizes and record.readable_gradient is not None]
    results = [record for record in ends if record not in losses and record.readable_value is not None and record.sizes]
    for record in results[:3]:
        if record.tensor.numel():
            cell = _result(record)
            meaning = trace.meaning(cell)
            found.append((cell, f"what came out: {record.name}{f', {meaning}' if meaning else ''}"))
    if losses:
        found.append((losses[-1].cell("forward", ()), "the loss"))
    weights = [record for record in records if record.kind == "parameter" and len(record.sizes) > 1]
    weights = [
        record for record in weights if record.readable_gradient is not None and record.readable_value is not None
    ]
    for record in weights[:1]:
        cell = _largest(record, "backward")
        found.append((cell, "how a weight of the first layer influences the loss"))
        if record.name in trace.updates:
            found.append((record.cell("update", cell.index), "what the optimizer made of that weight"))
    return found


def stored_cells(
    trace: Trace, starts: list[Cell], records: list[TensorRecord], limit: int, held: Held
) -> dict[str, dict[str, Any]]:
    """Explanations of numbers that the page cannot explain by those that it holds; at most `limit`, by the cell's text.

    Each chosen cell's chain of largest contributions is followed, down to an input or up to the loss; then what the
    shown arithmetic uses, as far as there is room.
    """
    stored: dict[str, dict[str, Any]] = {}
    followed: set[str] = set()
    waiting: deque[Cell] = deque()
    for cell in [*starts, *_spread(trace, records)]:
        if len(stored) >= limit or len(followed) >= MOST_FOLLOWED * limit:
            break
        _store_chain(trace, cell, stored, followed, waiting, held)
    while waiting and len(stored) < limit and len(followed) < MOST_FOLLOWED * limit:
        _store_chain(trace, waiting.popleft(), stored, followed, waiting, held)
    return stored


def _store_chain(
    trace: Trace, start: Cell, stored: dict[str, dict[str, Any]], followed: set[str], waiting: deque[Cell], held: Held
) -> None:
    cell: Cell | None = start
    while cell is not None and str(cell) not in followed:
        followed.add(str(cell))
        try:
            explanation = trace.explain(cell)
            following, _ = next_cell(explanation, trace.__getitem__)
        except TraceError:  # changed in place since: nothing to explain
            return
        if not held.explains(cell, explanation):
            found = stored[str(cell)] = explanation.as_dict()
            for part in [found, *found["parts"]]:
                waiting.extend(trace.read(source["cell"]) for source in [*part["from"][:8], *part["chosen by"][:4]])
        cell = following


def _phases(trace: Trace, records: list[TensorRecord]) -> list[tuple[TensorRecord, Phase]]:
    """Each tensor in each phase in which it has numbers."""
    phases: list[tuple[TensorRecord, Phase]] = []
    for record in records:
        if not record.tensor.numel() or record.readable_value is None:
            continue
        phases.append((record, "forward"))
        if record.readable_gradient is not None:
            phases.append((record, "backward"))
        if record.name in trace.updates:
            phases.append((record, "update"))
    return phases


def _spread(trace: Trace, records: list[TensorRecord]) -> Iterator[Cell]:
    """Cells of all tensors in all phases: few of each first, then all of the small ones."""
    phases = _phases(trace, records)
    for record, phase in phases:
        yield _largest(record, phase)
    for record, phase in phases:
        count = record.tensor.numel()
        for position in sorted({count * step // 5 for step in range(5)}):
            yield record.cell_at(position, phase)
    for record, phase in phases:
        if record.tensor.numel() <= SMALL:
            for position in range(record.tensor.numel()):
                yield record.cell_at(position, phase)


def _result(record: TensorRecord) -> Cell:
    """The largest number; of ids (which tokens were chosen) the last."""
    if record.tensor.is_floating_point():
        return _largest(record, "forward")
    return record.cell_at(record.tensor.numel() - 1)


def _largest(record: TensorRecord, phase: Phase) -> Cell:
    gradient = record.readable_gradient if phase == "backward" else None
    tensor: Tensor = record.value if gradient is None else gradient
    sizes = tensor.detach()
    if sizes.dtype in (torch.bool, torch.float16, torch.bfloat16) or not sizes.is_floating_point():
        sizes = sizes.to(torch.float64)
    if phase == "backward" or record.kind != "activation":
        sizes = sizes.abs()
    place = int(sizes.argmax())
    if not bool(sizes.reshape(-1)[place].isfinite()):
        place = int(sizes.nan_to_num(0.0, 0.0, 0.0).argmax())
    return record.cell_at(place, phase)
