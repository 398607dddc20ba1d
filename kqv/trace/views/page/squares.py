"""How many of a page's squares tell their arithmetic: what its readers can click on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from kqv.trace.cells import Cell, Phase
from kqv.trace.views.page.held import FIELDS, Held

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


@dataclass(frozen=True)
class Squares:
    """Numbers that a page draws, and how many of those that were looked at tell their arithmetic."""

    drawn: int
    looked_at: int
    telling: int
    by_tensor: dict[str, tuple[int, int]]
    """By phase and kind of tensor (`forward attention.scores`): how many were looked at, how many tell."""

    @property
    def fraction(self) -> float:
        """How many of all tell, by those that were looked at."""
        return self.telling / self.looked_at if self.looked_at else 1.0


def squares_of(trace: Trace, content: dict[str, Any], samples: int = 2000, seed: int = 0) -> Squares:
    """Look at so many of a page's squares, drawn at random (at all of them where there are not more).

    `content`: what `page_content` gives. A square tells where its explanation is stored, or where the page holds every
    number that its arithmetic takes; that is asked of the trace's own explanation, not of the page's evaluator.
    """
    held = _held(content)
    looked, telling = Counter[str](), Counter[str]()
    for cell in cells_of(trace, content, samples, seed):
        kind = f"{cell.phase} {_kind(cell.name)}"
        looked[kind] += 1
        telling[kind] += str(cell) in content["cells"] or held.explains(cell, trace.explain(cell))
    by_tensor = {kind: (count, telling[kind]) for kind, count in looked.items()}
    drawn = sum(_count(stored) for _, _, stored in _pictures(content))
    return Squares(drawn, looked.total(), telling.total(), by_tensor)


def cells_of(trace: Trace, content: dict[str, Any], samples: int, seed: int = 0) -> Iterator[Cell]:
    """The cells of so many squares, drawn at random; one tensor after the other."""
    pictures = list(_pictures(content))
    ends = np.cumsum([_count(stored) for _, _, stored in pictures])
    total = int(ends[-1]) if pictures else 0
    chosen: Iterable[int] = range(total) if total <= samples else random.Random(seed).sample(range(total), samples)
    for position in sorted(chosen):
        at = int(np.searchsorted(ends, position, side="right"))
        phase, name, stored = pictures[at]
        kept = tuple(stored["kept"])
        index = [int(place) for place in np.unravel_index(position - int(ends[at]) + prod(kept), kept)] if kept else []
        for axis, positions in stored.get("at", {}).items():
            index[int(axis)] = positions[index[int(axis)]]
        yield trace[name].cell(phase, tuple(index))


def _held(content: dict[str, Any]) -> Held:
    return Held.of(content["tensors"], content["remembered"], content["answers"]["others"])


def _pictures(content: dict[str, Any]) -> Iterator[tuple[Phase, str, dict[str, Any]]]:
    """What is drawn: each tensor in each phase in which the page has it to be looked at."""
    for tensor in content["tensors"]:
        for phase, field in FIELDS.items():
            if tensor[field] is not None and field not in tensor["undrawn"]:
                yield phase, tensor["name"], tensor[field]


def _count(stored: dict[str, Any]) -> int:
    return prod(stored["kept"])


def _kind(name: str) -> str:
    """A tensor's name without its block: `attention.scores` of `blocks.3.attention.scores`."""
    parts = name.split(".")
    return ".".join(parts[2:] if len(parts) > 2 and parts[1].isdigit() else parts)
