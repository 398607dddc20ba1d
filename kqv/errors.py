"""What a user can mend is an `Error`: one line that says what is wrong and what to do."""

from __future__ import annotations


class Error(Exception):
    """A mistake that the user can mend; the command line prints it as one line, without a traceback."""


class DimensionError(Error, ValueError):
    """Sizes that do not fit together; names the dimension and both operands."""


class DataError(Error, ValueError):
    """A data file that is missing, truncated, altered or not what it says it is."""


class RunError(Error, ValueError):
    """A run directory that is missing, incomplete or damaged."""


class TraceError(Error, LookupError):
    """A name or a cell that the trace does not have, or a value that changed after it was recorded."""


ADVICE = "restore it from a copy, or train again"
"""What to do about a damaged file of a run."""


def with_article(noun: str) -> str:
    """`a digits run`, `an adder run`: for messages about what may be called anything."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
