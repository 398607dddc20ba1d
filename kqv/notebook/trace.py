"""The view of a trace: its tensors, their numbers window by window, and the arithmetic of each cell."""

from __future__ import annotations

import re
from typing import Any, Literal

import traitlets

from kqv.lab.traces.cell import cell_for_page, path_for_page
from kqv.lab.traces.code import excerpt
from kqv.lab.traces.header import header
from kqv.lab.traces.kept import KeptTrace
from kqv.lab.traces.tensors import labels_of, summary_of, tensor_of
from kqv.lab.traces.windows import cut, read_window
from kqv.notebook.asking import Numbers, Questions, jsonable
from kqv.notebook.view import View
from kqv.systems.system import Traced
from kqv.trace.cells import PHASES, Cell, Phase
from kqv.trace.explanation import Explanation
from kqv.trace.trace import Trace

MOST_TERMS = 100

_NUMBERED = re.compile(r"[^\[\]]+(\[(\s*(\w+\s*=\s*)?\d+\s*(,|(?=\])))*\])?")
"""A cell whose positions are all numbers."""


class TraceView(View):
    """A trace in a cell's output.

        view = trace.widget(cell="scores[0,8,it,pizza]")
        view                        shows it
        view.chosen                 the arithmetic of the number that is chosen there, as `trace.cell` gives it
        view.cell = "grad:logits[0,3,7]"

    `cell`: the chosen number, as `trace.cell` reads it; `tensor`, `phase` ("forward", "backward", "update"): what is
    shown. All three follow what is clicked. Raises `TraceError` for what the trace does not have.
    """

    tensor = traitlets.Unicode().tag(sync=True)
    phase = traitlets.Enum(PHASES, "forward").tag(sync=True)
    cell = traitlets.Unicode().tag(sync=True)
    header = traitlets.Dict().tag(sync=True)

    def __init__(self, trace: Trace, **choices: Any) -> None:
        self.trace = trace
        super().__init__(view="trace", header=header_of(trace), **choices)

    def own_choices(self) -> list[str]:
        """What can be chosen of it."""
        return ["cell", "tensor", "phase", *super().own_choices()]

    @property
    def chosen(self) -> Explanation | None:
        """The arithmetic of the number that is chosen; None while none is."""
        return self.trace.cell(self.cell) if self.cell else None

    @traitlets.validate("cell")
    def _as_numbers(self, proposal: Any) -> str:
        """`logits[0,3,it]` with positions for words; a cell that has none stays as it is, so that a view that walks
        there finds its own again."""
        text = str(proposal["value"])
        if not text:
            return ""
        cell = self.trace.read(text)
        return text if _NUMBERED.fullmatch(text) else _written(cell)

    @traitlets.validate("tensor")
    def _known(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name and not any(name.startswith(f"{parameter}.") for parameter in self.trace.updates):
            return self.trace[name].name
        return name

    def answering(self) -> Questions:
        """What it can be asked: by the same names as the lab's server."""
        found = TraceAnswers(self.trace)
        return {
            "numbers": found.numbers, "summary": found.summary, "cell": found.cell,
            "path": found.path, "words": found.words, "code": found.code,
        }  # fmt: skip


class TraceAnswers:
    """What a view may ask of a trace."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def numbers(
        self, tensor: str, phase: Phase = "forward", window: str = "", blocks: str = "",
        reduce: Literal["mean", "largest"] = "largest",
    ) -> Numbers:  # fmt: skip
        """The numbers of a window, row by row."""
        found, dimensions = tensor_of(self.trace, tensor, phase)
        part = read_window(window, blocks, tensor, dimensions, tuple(found.shape))
        return Numbers(cut(found, part, reduce).numpy().astype("<f4", copy=False).tobytes())

    def summary(self, tensor: str, phase: Phase = "forward") -> dict[str, Any]:
        """A tensor in a few numbers."""
        return summary_of(self.trace, tensor, phase)

    def cell(self, cell: str, terms: int = 6) -> dict[str, Any]:
        """One number with its arithmetic."""
        return cell_for_page(self.trace, cell, max(1, min(terms, MOST_TERMS)))

    def path(self, cell: str) -> list[dict[str, Any]]:
        """The chain of largest contributions from a cell back to an input."""
        return path_for_page(self.trace, cell)

    def words(self, tensor: str, dimension: str, start: int, stop: int, example: int = 0) -> list[str]:
        """The words of some positions of a dimension."""
        return labels_of(self.trace, tensor, dimension, start, stop, example)

    def code(self, file: str, line: int) -> dict[str, Any]:
        """The function of kqv's source that a line belongs to."""
        return excerpt(file, line).as_dict()


def header_of(trace: Trace) -> dict[str, Any]:
    """Every tensor with names, dimensions and formulas; no numbers."""
    found: dict[str, Any] = jsonable(header(KeptTrace("notebook", Traced(trace, "", "", ""), None, {})))
    return found


_PREFIXES: dict[Phase, str] = {"forward": "", "backward": "grad:", "update": "update:"}


def _written(cell: Cell) -> str:
    """A cell by its positions alone, as the view writes it."""
    return f"{_PREFIXES[cell.phase]}{cell.name}" + (f"[{','.join(map(str, cell.index))}]" if cell.index else "")
