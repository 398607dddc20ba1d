"""Walking back from a number: everything that it came from, and the chain of its largest contributions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kqv.arithmetic import Array, Binary, Choice, Constant, Elements, Expression, Named, Reduction, Total, smallest
from kqv.trace.cells import Cell
from kqv.trace.explanation import Arithmetic, Explanation
from kqv.trace.operands import RecordSource, spots_of
from kqv.trace.records import TensorRecord

_TERMS_TO_LOOK_AT = 8


def walk_back(
    start: Cell, explain: Callable[[Cell], Explanation], record_of: Callable[[str], TensorRecord]
) -> Iterator[Cell]:
    """All cells that a number came from, nearest first, each once, down to what was given.

    From a result of a function of PyTorch, whose formula is not known, the walk goes on to all elements that it took.
    """
    waiting = deque([start])
    seen: dict[tuple[str, str], Array] = {}
    while waiting:
        explanation = explain(waiting.popleft())
        for phase, name, sizes, positions, make in _steps(explanation, record_of):
            mask = seen.setdefault((phase, name), np.zeros(int(np.prod(sizes, dtype=np.int64)), dtype=bool))
            for position in positions[~mask[positions]].tolist():
                if not mask[position]:
                    mask[position] = True
                    cell = make(position)
                    yield cell
                    waiting.append(cell)


_Step = tuple[str, str, tuple[int, ...], Array, Callable[[int], Cell]]


def _steps(explanation: Explanation, record_of: Callable[[str], TensorRecord]) -> Iterator[_Step]:
    """The elements that one explanation uses directly, tensor by tensor."""
    for part in explanation.parts or [explanation]:
        for cell in part.consulted:
            yield from _whole_or_one(cell, record_of(cell.name))
        if part.expression is not None:
            for spot in spots_of(part.expression):
                yield spot.phase, spot.name, spot.sizes, spot.positions, spot.cell
    for name in explanation.tensors:
        record = record_of(name)
        count = int(np.prod(record.sizes, dtype=np.int64))
        yield "forward", name, record.sizes, np.arange(count), lambda position, record=record: record.cell_at(position)  # type: ignore[misc]


def _whole_or_one(cell: Cell, record: TensorRecord) -> Iterator[_Step]:
    position = np.array([np.ravel_multi_index(cell.index, record.sizes) if cell.index else 0])
    yield cell.phase, cell.name, record.sizes, position, lambda _: cell


@dataclass(frozen=True)
class Step:
    """One number on the way back, and how much of the number before it came through it (of Σ|terms|)."""

    cell: Cell
    value: float
    heading: str
    share: float
    meaning: str

    def __str__(self) -> str:
        from kqv.trace.views.text import step_text

        return step_text(self)


class Path(list[Step]):
    """The chain of largest contributions from a number back to something given."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def path_back(start: Cell, explain: Callable[[Cell], Explanation], record_of: Callable[[str], TensorRecord]) -> Path:
    """From a number always to the largest contribution, until nothing in this pass computed what is reached.

    Weights are passed by for what they are multiplied with, so the way ends at an input (of a gradient: at the loss).
    """
    path, share, seen = Path(), 1.0, set()
    cell: Cell | None = start
    while cell is not None and cell not in seen:
        seen.add(cell)
        explanation = explain(cell)
        path.append(Step(cell, explanation.value, explanation.heading, share, explanation.meaning))
        cell, share = next_cell(explanation, record_of)
    return path


def next_cell(explanation: Explanation, record_of: Callable[[str], TensorRecord]) -> tuple[Cell | None, float]:
    """The cell with the largest contribution to an explained number, and its share."""
    here = explanation.cell
    candidates: list[tuple[Cell, float]] = []
    for part in explanation.parts or [explanation]:
        weight = _part_share(part, explanation)
        if part.expression is not None:
            candidates += [(cell, share * weight) for cell, share in leading_cells(part.expression)]
    computed = [
        (cell, share)
        for cell, share in candidates
        if cell.phase != "forward" or (here.phase == "forward" and record_of(cell.name).kind == "activation")
    ]
    content = [(cell, share) for cell, share in computed if record_of(cell.name).tensor.is_floating_point()]
    consulted = [(cell, 1.0) for part in explanation.parts or [explanation] for cell in part.consulted]
    for found in (content, computed, consulted, candidates):  # a rotated key comes from the key, not its position
        if found:
            return max(reversed(found), key=lambda item: item[1])  # of weight·value the value: it holds the content
    for name in explanation.tensors:
        record = record_of(name)
        value = record.readable_value
        if record.kind == "activation" and 0 not in record.sizes:
            return record.cell_at(0 if value is None else int(value.float().abs().argmax())), float("nan")
    return None, 1.0


def _part_share(part: Arithmetic, whole: Explanation) -> float:
    if not whole.parts:
        return 1.0
    total = sum(abs(other.value) for other in whole.parts if other.value == other.value)
    return abs(part.value) / total if total else 1 / len(whole.parts)


def leading_cells(expression: Expression) -> list[tuple[Cell, float]]:
    """Elements of the largest terms of an expression, each with the share of Σ|terms| that its term has.

    Intermediate results with a symbol of their own (a maximum, a mean) count only where there is nothing else.
    """
    if isinstance(expression, Elements):
        source = expression.source
        if expression.shape or not isinstance(source, RecordSource):
            return []
        return [(source.cell(tuple(int(position) for position in expression.positions)), 1.0)]
    if isinstance(expression, Constant):
        return []
    if isinstance(expression, Named):
        return leading_cells(expression.meaning)
    parts = _weighted(expression)
    plain = [found for part, share in parts if not isinstance(part, Named) for found in _scaled(part, share)]
    return plain or [found for part, share in parts if isinstance(part, Named) for found in _scaled(part, share)]


def _scaled(part: Expression, share: float) -> list[tuple[Cell, float]]:
    return [(cell, share * own) for cell, own in leading_cells(part)]


def _weighted(expression: Expression) -> list[tuple[Expression, float]]:
    """The parts of an expression with their shares: terms of a sum by size, factors and arguments fully."""
    if isinstance(expression, Choice):
        holds = expression.condition.value() > 0
        return [(expression.chosen if holds else expression.other, 1.0)]
    if isinstance(expression, Reduction):
        return _terms(expression)
    parts = list(expression.parts())
    if isinstance(expression, Total) or (isinstance(expression, Binary) and expression.sign in "+−"):
        sizes = [abs(part.value()) for part in parts]
        total = sum(size for size in sizes if size < np.inf)
        return [(part, size / total if total else 1 / len(parts)) for part, size in zip(parts, sizes, strict=True)]
    return [(part, 1.0) for part in parts if not part.shape]


def _terms(sum_or_max: Reduction) -> list[tuple[Expression, float]]:
    terms = sum_or_max.terms
    values = np.broadcast_to(terms.values(), terms.shape).reshape(-1)
    sizes = np.nan_to_num(np.abs(values) if sum_or_max.sign == "Σ" else np.exp(values - values.max()), posinf=0.0)
    total = float(sizes.sum())
    order = smallest(-sizes, _TERMS_TO_LOOK_AT if sum_or_max.sign == "Σ" else 1)
    return [
        (
            terms.at(tuple(int(i) for i in np.unravel_index(position, terms.shape))),
            sizes[position] / total if total else 1.0,
        )
        for position in order.tolist()
    ]
