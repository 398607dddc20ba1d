"""Loading pictures for a command: what has to be downloaded shows a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kqv.data.digits import DigitData


def load_digits_with_progress(name: str) -> DigitData:
    """Labelled pictures by name or folder; raises `DataError` as `kqv.data.digits.load_digits`."""
    from kqv.cli.data import fetch_with_progress
    from kqv.data.digits import load_digits

    if name.lower() == "mnist":
        fetch_with_progress(["mnist"])
    return load_digits(name)
