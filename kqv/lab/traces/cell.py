"""One cell for a page: its name in words, its numbers in each phase, its arithmetic, and the way it came."""

from __future__ import annotations

from typing import Any

from kqv.errors import TraceError
from kqv.trace.ancestry import next_cell
from kqv.trace.cells import PHASES, Cell, Phase
from kqv.trace.trace import Trace
from kqv.trace.views.described import describe, finite

PREFIXES: dict[Phase, str] = {"forward": "", "backward": "gradient of ", "update": "new "}
_WORDY = 40


def cell_for_page(trace: Trace, text: str, terms: int = 6) -> dict[str, Any]:
    """A cell's explanation as plain data, with its name in words and its numbers in the other phases.

    `next` is the cell that the largest part of the number came through, and how large that part is.
    """
    cell = trace.read(text)
    explanation = trace.explain(cell)
    found = describe(explanation, terms)
    following, fraction = next_cell(explanation, trace.__getitem__)
    for part in (found, *found["parts"]):
        for source in (*part["from"], *part["chosen by"]):
            source["words"] = in_words(trace, trace.read(source["cell"]))
    return {
        **found,
        "words": in_words(trace, cell),
        "tensor": cell.name,
        "phase": cell.phase,
        "index": list(cell.index),
        "dimensions": list(cell.dimensions),
        "phases": {phase: _number(trace, cell, phase) for phase in PHASES},
        "next": None if following is None else _step(trace, following, fraction),
    }


def _step(trace: Trace, cell: Cell, part: float) -> dict[str, Any]:
    return {"cell": str(cell), "words": in_words(trace, cell), "part": finite(part)}


def _number(trace: Trace, cell: Cell, phase: Phase) -> float | str | None:
    """The number at the same index in a phase; None where there is none."""
    other = Cell(phase, cell.name, cell.index, cell.dimensions)
    try:
        return finite(trace.value(other))
    except (TraceError, IndexError):
        return None


def in_words(trace: Trace, cell: Cell) -> str:
    """`scores[batch 0, head 2, query "it", key "pizza"]`: the index with the words that its positions stand for."""
    short = cell.name.rpartition(".")[2] if cell.phase != "update" else cell.name
    if len(cell.dimensions) != len(cell.index):
        positions = ", ".join(map(str, cell.index))
    else:
        example = cell.index[cell.dimensions.index("batch")] if "batch" in cell.dimensions else 0
        items = zip(cell.dimensions, cell.index, strict=True)
        positions = ", ".join(_position(trace, cell, dimension, at, example) for dimension, at in items)
    return f"{PREFIXES[cell.phase]}{short}" + (f"[{positions}]" if cell.index else "")


def _position(trace: Trace, cell: Cell, dimension: str, position: int, example: int) -> str:
    word = trace.meanings.of_position(cell.name, dimension, position, example)
    return f"{dimension} {_quoted(word)}" if word else f"{dimension} {position}"


def _quoted(word: str) -> str:
    short = word if len(word) <= _WORDY else f"{word[:_WORDY]}…"
    return f'"{short}"'


def path_for_page(trace: Trace, text: str) -> list[dict[str, Any]]:
    """The chain of largest contributions from a cell back to an input, or of a gradient to the cost."""
    return [
        {
            "cell": str(step.cell),
            "words": in_words(trace, step.cell),
            "value": finite(step.value),
            "heading": step.heading,
            "part": finite(step.share),
        }
        for step in trace.path_to_input(text)
    ]
