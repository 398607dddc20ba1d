"""Texts on disk or in memory, one after the other, read as one stream of UTF-8 bytes."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from kqv.errors import DataError
from kqv.files.reading import open_regular

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MARKS = {  # how files begin that are often taken for texts: what they are, and what to do
    b"\xff\xfe": ("in UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("in UTF-16", "save it as UTF-8"),
    b"\x1f\x8b": ("compressed by gzip", "unpack it first"),
    b"PK\x03\x04": ("a ZIP archive, as Word documents and e-books are", "unpack it, or save its text as .txt"),
    b"%PDF-": ("a PDF", "save its text as .txt"),
    b"\x89PNG": ("a picture (PNG)", "give a text"),
    b"\xff\xd8\xff": ("a picture (JPEG)", "give a text"),
}
LONGEST_MARK = max(map(len, MARKS))


class Text(Protocol):
    """A text: its name, its size in bytes, and any stretch of its bytes. `skipped`: bytes before it in its file."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`."""


@dataclass(frozen=True)
class TextInMemory:
    """A text that is at hand."""

    name: str
    content: bytes = field(repr=False)
    skipped: int = 0

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, stop: int) -> bytes:
        return self.content[start:stop]


@dataclass(frozen=True)
class TextFile:
    """A text file as it was when it was opened first; a byte order mark at its start does not count."""

    path: Path
    size: int
    skipped: int
    modified: int

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`.

        Raises `DataError` if the file cannot be read any more, or changed meanwhile.
        """
        try:
            with open_regular(self.path) as file:
                state = os.fstat(file.fileno())
                file.seek(self.skipped + start)
                content = file.read(stop - start)
        except OSError as failure:
            raise DataError(f"{self.path} cannot be read: {failure.strerror or failure}") from None
        if (state.st_size, state.st_mtime_ns) != (self.size + self.skipped, self.modified):
            raise DataError(f"{self.path} changed while it was being read; start again when nothing writes it")
        return content


def open_text(path: Path) -> TextFile:
    """The text file at `path`. Raises `DataError` if it cannot be read, or is no text by its first bytes."""
    try:
        with open_regular(path) as file:
            state, first = os.fstat(file.fileno()), file.read(LONGEST_MARK)
    except OSError as failure:
        raise DataError(f"{path} cannot be read: {failure.strerror or failure}") from None
    for mark, (kind, advice) in MARKS.items():
        if first.startswith(mark):
            raise DataError(f"{path} is {kind}, by its first bytes; {advice}")
    skipped = len(BYTE_ORDER_MARK) if first.startswith(BYTE_ORDER_MARK) else 0
    return TextFile(path, state.st_size - skipped, skipped, state.st_mtime_ns)


class Stream:
    """Texts joined into one, with `between` after each but the last; nothing is read before it is asked for."""

    def __init__(self, texts: Sequence[Text], between: bytes = b"\n\n") -> None:
        separator = TextInMemory("between two texts", between)
        self.texts = tuple(texts)
        self._parts: list[Text] = [part for text in texts for part in (separator, text)][1:]
        self._stops = list(accumulate(part.size for part in self._parts))

    @property
    def size(self) -> int:
        """Bytes of all texts, with what stands between them."""
        return self._stops[-1] if self._stops else 0

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, or to the end. Raises `DataError` for a file that changed."""
        stop = min(stop, self.size)
        found = []
        while start < stop:
            part, offset = self._at(start)
            content = part.read(offset, min(part.size, offset + stop - start))
            found.append(content)
            start += len(content)
        return b"".join(found)

    def locate(self, position: int) -> tuple[str, int]:
        """Which text the byte at `position` belongs to, and which byte of its file it is, counted from 0."""
        part, offset = self._at(position)
        return part.name, part.skipped + offset

    def _at(self, position: int) -> tuple[Text, int]:
        number = bisect_right(self._stops, position)
        return self._parts[number], position - (self._stops[number - 1] if number else 0)
