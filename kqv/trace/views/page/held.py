"""Which numbers the page holds, and so which of them it can explain itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kqv.arithmetic import Array
from kqv.trace.cells import Cell, Phase, flatten
from kqv.trace.explanation import Explanation
from kqv.trace.operands import spots_of
from kqv.trace.views.page.numbers import holds

FIELDS: dict[Phase, str] = {"forward": "value", "backward": "gradient", "update": "update"}
"""Where a tensor's numbers of a phase stand."""


@dataclass(frozen=True)
class Held:
    """The numbers of each tensor in each phase as the page holds them, with the tensor's sizes."""

    stored: dict[tuple[Phase, str], tuple[dict[str, Any], list[int]]]
    is_all: bool
    """Whether no tensor is cut."""

    @classmethod
    def of(
        cls, tensors: Iterable[dict[str, Any]], remembered: dict[str, dict[str, Any]], others: dict[str, Any]
    ) -> Held:
        """What stands in the page's tensors, and in what optimizers remembered."""
        stored: dict[tuple[Phase, str], tuple[dict[str, Any], list[int]]] = {
            (phase, tensor["name"]): (tensor[field], tensor["sizes"])
            for tensor in tensors
            for phase, field in FIELDS.items()
            if tensor[field] is not None
        }
        stored |= {("update", name): (numbers, others[name]["sizes"]) for name, numbers in remembered.items()}
        whole = all("all" in numbers or numbers["kept"] == sizes for numbers, sizes in stored.values())
        return cls(stored, whole and set(others) <= set(remembered))

    def has(self, phase: Phase, name: str, positions: Array) -> bool:
        """Whether the page holds all of these elements."""
        found = self.stored.get((phase, name))
        return found is not None and ("all" in found[0] or holds(*found, positions))

    def explains(self, cell: Cell, explanation: Explanation) -> bool:
        """Whether all numbers of an explanation are held."""
        pieces = explanation.parts or [explanation]
        found = self.stored.get((cell.phase, cell.name))
        if found is None or not self.has(cell.phase, cell.name, np.array([flatten(cell.index, tuple(found[1]))])):
            return False
        return all(
            self.has(spot.phase, spot.name, spot.positions)
            for piece in pieces
            if piece.expression is not None
            for spot in spots_of(piece.expression)
        )
