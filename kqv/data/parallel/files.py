"""Own parallel text: two files line by line, or one file with a tab between a sentence and its translation."""

from __future__ import annotations

import os
from pathlib import Path

from kqv.data.parallel.pairs import Pair
from kqv.errors import DataError
from kqv.files.reading import read_bytes

MARK = b"\xef\xbb\xbf"


def lines_of(content: bytes, name: str) -> list[str]:
    """The lines of a UTF-8 text without their line ends; a byte order mark at its start is left out.

    Only line feeds end a line: a separator of Unicode in one of two files must not shift all the lines after it.
    Raises `DataError` at the first byte that is not UTF-8, with file, line and position.
    """
    text = content.removeprefix(MARK)
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        position = error.start + len(content) - len(text)
        line = content.count(b"\n", 0, position) + 1
        raise DataError(
            f"{name}, line {line:,}: not UTF-8: byte 0x{content[position]:02x} at position {position:,} of the file;"
            " save it as UTF-8"
        ) from error
    lines = decoded.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def pair_lines(sources: list[str], targets: list[str], names: tuple[str, str]) -> tuple[list[Pair], int]:
    """Line n of the one with line n of the other, and how many were skipped since both are empty.

    Raises `DataError`: unequal lengths, and a line that is empty on one side alone, with file and line.
    """
    if len(sources) != len(targets):
        longer, shorter = (0, 1) if len(sources) > len(targets) else (1, 0)
        count = (len(sources), len(targets))
        more = count[longer] - count[shorter]
        raise DataError(
            f"{names[longer]} is {more:,} {'line' if more == 1 else 'lines'} longer than {names[shorter]}"
            f" ({count[longer]:,} and {count[shorter]:,}), its line {count[shorter] + 1:,} has no partner; line n of"
            " the one must be the translation of line n of the other"
        )
    pairs: list[Pair] = []
    for number, pair in enumerate(zip(sources, targets, strict=True), 1):
        empty = [not sentence.strip() for sentence in pair]
        if empty[0] != empty[1]:
            here, there = (names[0], names[1]) if empty[0] else (names[1], names[0])
            raise DataError(
                f"{here}, line {number:,}: empty, but line {number:,} of {there} is not; translate it, or remove both"
            )
        if not empty[0]:
            pairs.append(pair)
    return pairs, len(sources) - len(pairs)


def read_two(source: Path, target: Path) -> tuple[list[Pair], int]:
    """The pairs of two files and how many lines were skipped. Raises `DataError` as `lines_of` and `pair_lines`."""
    names = (os.fspath(source), os.fspath(target))
    return pair_lines(lines_of(_content(source), names[0]), lines_of(_content(target), names[1]), names)


def read_tsv(path: Path) -> tuple[list[Pair], int]:
    """The pairs of one file with a tab in each line, and how many lines were skipped.

    A line without anything in it is skipped, with or without its tab. Raises `DataError` with file and line: another
    number of tabs, an empty side, a byte that is not UTF-8.
    """
    name = os.fspath(path)
    columns: tuple[list[str], list[str]] = ([], [])
    for number, line in enumerate(lines_of(_content(path), name), 1):
        cells = line.split("\t") if line.strip() else ["", ""]
        if len(cells) != 2:
            raise DataError(
                f"{name}, line {number:,}: expected one tab, between the sentence and its translation; found"
                f" {len(cells) - 1:,}"
            )
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    return pair_lines(*columns, (f"{name}, column 1", f"{name}, column 2"))


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read ({reason}); give a file of sentences in UTF-8") from error
