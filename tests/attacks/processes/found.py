"""What a kind of attacks found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Found:
    """How many attacks of a name were tried, and of those that fell, each in a line."""

    name: str
    tried: int = 0
    fell: list[str] = field(default_factory=list)
