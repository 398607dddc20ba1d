"""Translations in a file, a line each, that any scorer can read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kqv.files import write_text


def one_line(text: str) -> str:
    """`text` with a space for each line break in it, of the kinds that `str.splitlines` knows."""
    return " ".join(text.splitlines())


def write_hypotheses(path: Path, lines: Iterable[str]) -> None:
    """Write translations to a UTF-8 file atomically, line n the translation of sentence n; an empty one is an empty
    line.

    A line break inside a translation becomes a space: it would move all the lines after it away from their references,
    and the scores take any white space alike, so that the file scores as the translations do. Raises `Error` when the
    file cannot be written.
    """
    write_text(path, "".join(f"{one_line(line)}\n" for line in lines))
