"""Parts taken out one at a time: what the split says of each beside what really becomes of the number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kqv.why.parts import Part


@dataclass(frozen=True)
class Tested:
    """One part: the sum of its terms in the split, and the number in the pass as it is and in that without the part.

    Were nothing else to change, `after` would be `before` less `in_split`. But what reads the part computes something
    else without it, and the norms have other factors.
    """

    part: Part
    in_split: float
    before: float
    after: float

    @property
    def change(self) -> float:
        """What becomes of the number."""
        return self.after - self.before

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return self.part.as_dict() | {"in_split": self.in_split, "before": self.before, "after": self.after}
