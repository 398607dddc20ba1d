"""What a check found, in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "empty", "missing", "unreadable", "stopped", "raised", "type", "shape", "not a number", "value", "changed"
]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a function: one line, details below it, and the typical mistake that was recognised, if any.

    `mistake` is its name and `advice` what to do about it.
    """

    kind: Kind
    headline: str
    details: tuple[str, ...] = ()
    mistake: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Verdict:
    """A check's word on one function; no finding means that it passed."""

    call: str
    tries: int
    right: int
    finding: Finding | None = None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every try was right."""
        return self.finding is None


@dataclass(frozen=True)
class Report:
    """A check's word on an exercise, and what the learner's file printed meanwhile."""

    exercise: str
    verdicts: tuple[Verdict, ...]
    printed: str = ""
    finding: Finding | None = field(default=None)
    """What is wrong with the file as a whole."""

    @property
    def passed(self) -> bool:
        """Whether every function is right."""
        return self.finding is None and all(verdict.passed for verdict in self.verdicts)
