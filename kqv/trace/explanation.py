"""One number with the arithmetic that made it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from kqv.arithmetic import UNDERFLOW, Expression, Rendering
from kqv.trace.cells import Cell
from kqv.trace.location import NOWHERE, Location
from kqv.trace.operands import spots_of

TOLERANCE = 1e-5
"""How far shown arithmetic and recorded value may lie apart, as a share of Σ|terms|."""


CANCELLED = 1000
"""From this ratio of Σ|terms| to their sum on, an explanation says that terms cancel: a hundredth is then allowed."""


def error_share(*dtypes: torch.dtype) -> float:
    """The tolerance for numbers of these types: 1e-5; for half and bfloat16 two of their rounding steps."""
    return max([TOLERANCE] + [2 * torch.finfo(d).eps for d in dtypes if d in (torch.bfloat16, torch.float16)])


_NO_CELL = Cell("forward", "", ())


@dataclass
class Arithmetic:
    """A recorded number, the formula that made it, and that formula with the recorded numbers in it.

    `expression` is None where nothing here computed the number, or where the formula is not known; `tensors` are then
    those that it was computed from.
    """

    value: float
    heading: str
    formula: str
    location: Location = NOWHERE
    expression: Expression | None = None
    share: float = TOLERANCE
    consulted: list[Cell] = field(default_factory=list)
    tensors: tuple[str, ...] = ()

    @property
    def evaluated(self) -> float | None:
        """The shown arithmetic, evaluated in float64 from the shown operands."""
        return None if self.expression is None else self.expression.value()

    @property
    def scale(self) -> float:
        """Σ|terms|, which rounding errors are measured by."""
        return 0.0 if self.expression is None else float(self.expression.scale())

    @property
    def tolerance(self) -> float:
        """How far value and arithmetic may lie apart: 1e-5 · Σ|terms|."""
        return self.share * self.scale

    @property
    def cancels(self) -> bool:
        """Whether what is left of large terms is so small that their rounding shows in it: the value itself is less
        certain than its digits say."""
        return CANCELLED * max(abs(self.value), UNDERFLOW) < self.scale < math.inf

    @property
    def difference(self) -> float:
        """How far they do lie apart."""
        evaluated = self.evaluated
        return 0.0 if evaluated is None or evaluated == self.value else abs(evaluated - self.value)

    @property
    def agrees(self) -> bool:
        """Whether the shown arithmetic gives the recorded value (also where there is none to show)."""
        return self.difference <= self.tolerance or self.difference == 0.0

    def rendering(self, terms: int = 6) -> tuple[str, Rendering]:
        """The arithmetic as text, and what the text shows: elements and intermediate results."""
        rendering = Rendering(terms)
        return ("" if self.expression is None else rendering.text_of(self.expression)), rendering


@dataclass
class Explanation(Arithmetic):
    """One cell of a trace, explained; a gradient with several uses has one part for each.

    `occasion` says of an update which step of the training it is.
    """

    cell: Cell = _NO_CELL
    symbol: str = ""
    parts: list[Arithmetic] = field(default_factory=list)
    occasion: str = ""
    meaning_of: Callable[[Cell | str], str] = lambda _: ""

    @property
    def agrees(self) -> bool:
        """Whether the shown arithmetic gives the recorded value, also in each part."""
        return super().agrees and all(part.agrees for part in self.parts)

    @property
    def meaning(self) -> str:
        """What the position stands for, where somebody said it: a token, a class."""
        return self.meaning_of(self.cell)

    def sources(self) -> list[Cell]:
        """Every cell that the arithmetic uses, each once, and those that decided what is computed."""
        found: dict[Cell, None] = {}
        for part in self.parts or [self]:
            found.update(dict.fromkeys(part.consulted))
            if part.expression is not None:
                for spot in spots_of(part.expression):
                    found.update(dict.fromkeys(spot.cells()))
        return list(found)

    def text(self, width: int | None = None, terms: int = 6) -> str:
        """The explanation for a terminal of this width (by default the one that is there)."""
        from kqv.trace.views.text import explanation_text

        return explanation_text(self, width, terms)

    def as_dict(self, terms: int = 6) -> dict[str, Any]:
        """The explanation for JSON: value, formula, numbers, sources with their values, and the check."""
        from kqv.trace.views.described import describe

        return describe(self, terms)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from kqv.trace.views.notebook import explanation_html

        return explanation_html(self)
