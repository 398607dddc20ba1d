"""Where heads look: which of them give a word's key weight at a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Looked:
    """How strongly one head looks from a query to a key: the weight, and the score's cell as it is typed."""

    module: str
    head: int
    query: int
    key: int
    weight: float
    cell: str

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return {
            "attention": self.module, "head": self.head, "query": self.query, "key": self.key, "weight": self.weight,
            "cell": self.cell,
        }  # fmt: skip
