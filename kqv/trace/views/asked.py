"""What is asked of a trace, as data: every tensor, or cells with their arithmetic and what a word attends to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kqv.trace.trace import Trace
from kqv.trace.views.attention import attended
from kqv.trace.views.export import describe_tensor


def asked_of(trace: Trace, cells: Sequence[str], word: str | None) -> dict[str, Any]:
    """What was asked for: cells with their arithmetic, a word's attention; else what is to be said of every tensor.

    Raises `Error` for a cell or a word that there is not.
    """
    found: dict[str, Any] = {}
    if word is not None:
        attention = attended(trace, word)
        found["word"], found["attention"] = attention.word, [row.as_dict() for row in attention.rows]
    if cells:
        found["cells"] = [trace.cell(text).as_dict() for text in cells]
    return found or {"tensors": [describe_tensor(trace, record) for record in trace.tensors]}
