"""Corpora: a named text, a text file, or a folder of texts, split into what is trained on and what is held out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from kqv.data.sets import SOURCES, TEXTS
from kqv.data.sources import Progress, read
from kqv.data.text.folders import list_texts
from kqv.data.text.pieces import Piece, Scan, scan
from kqv.data.text.streams import Stream, TextInMemory, open_text
from kqv.errors import DataError

__all__ = ["Corpus", "Split", "load_text"]

Split = Literal["train", "validation"]
TRAIN = 0.9  # of the characters; nanoGPT splits tiny Shakespeare so


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in two splits: the first int(0.9·n) of its n characters train, the rest validates.

    The text itself stays where it is: `pieces` reads it bit by bit, `train` and `validation` read it whole.
    `others`: how many files of a folder are no texts.
    """

    name: str
    stream: Stream = field(repr=False)
    scan: Scan = field(repr=False)
    others: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the texts, in their order."""
        return tuple(text.name for text in self.stream.texts)

    @property
    def size(self) -> int:
        """Bytes of the whole text in UTF-8, without byte order marks."""
        return self.stream.size

    @property
    def sha256(self) -> str:
        """The checksum of the whole text in UTF-8, without byte order marks."""
        return self.scan.sha256

    @cached_property
    def length(self) -> int:
        """Characters of the whole text."""
        return sum(piece.characters for piece in self.scan.pieces)

    @property
    def train(self) -> str:
        """The text to train on, whole."""
        return "".join(self.pieces("train"))

    @property
    def validation(self) -> str:
        """The text held out, whole."""
        return "".join(self.pieces("validation"))

    def characters(self) -> str:
        """The distinct characters of the whole text, by code point."""
        return self.scan.alphabet

    def pieces(self, split: Split) -> Iterator[str]:
        """The text of a split in pieces of about 1 MB, cut at line ends; tokenizing them gives the whole's tokens.

        Raises `DataError` if a file changed since the corpus was loaded.
        """
        border, before = self._border(split), 0
        for piece in self.scan.pieces:
            first, last = max(border[0] - before, 0), min(border[1] - before, piece.characters)
            before += piece.characters
            if first < last:
                yield self._text(piece)[first:last]

    def bytes_of(self, split: Split) -> int:
        """Bytes of a split in UTF-8; counts only where the splits meet, since the rest is known."""
        end, before = self._border("train")[1], 0
        for piece in self.scan.pieces:
            if end - before <= piece.characters:
                train = piece.start + len(self._text(piece)[: end - before].encode("utf-8"))
                return train if split == "train" else self.size - train
            before += piece.characters
        raise AssertionError("the splits meet within the text")

    def describe(self) -> str:
        """One line: name, size, distinct characters and the splits."""
        files = f" in {len(self.sources):,} files" if len(self.sources) > 1 else ""
        others = f" ({self.others:,} other {_files(self.others)} left out, not being text)" if self.others else ""
        return (
            f"{self.name}: {_readable(self.size)} of text{files}{others}, {self.length:,} characters,"
            f" {len(self.characters()):,} distinct; the first 90 % to train, the last 10 % to validate"
        )

    def _border(self, split: Split) -> tuple[int, int]:
        train = int(TRAIN * self.length)
        return (0, train) if split == "train" else (train, self.length)

    def _text(self, piece: Piece) -> str:
        return self.stream.read(piece.start, piece.stop).decode("utf-8")


def load_text(name: str | os.PathLike[str], progress: Progress | None = None) -> Corpus:
    """The corpus called `name` (of `TEXTS`: "shakespeare"), or that of a text file or a folder of texts.

    Everything is read once and checked. A folder's texts are those of `folders.TEXT_SUFFIXES`, in the order of their
    paths, with a blank line between two: also where the vocabulary has an end-of-text token, so that every vocabulary
    sees the same text and their bits per byte can be compared. `progress` makes a bar for a download. A folder called
    like a named corpus is meant by "./shakespeare".

    Raises `DataError`: unknown name, failed download, a file or folder that is empty or cannot be read, and a file that
    is not UTF-8 or binary, with the position of its first wrong byte.
    """
    given = os.fspath(name).strip()
    if not given:
        raise DataError(_unknown(given, Path(given)))
    if not isinstance(name, os.PathLike) and given.lower() in TEXTS:
        key = given.lower()
        return _corpus(key, Stream([TextInMemory(key, TEXTS[key](lambda file: read(key, file, progress)))]))
    path = Path(os.path.expanduser(given))  # noqa: PTH111 - Path raises where there is no such user
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long or not allowed
        texts, others = list_texts(path)
        return _corpus(path.resolve().name, Stream([open_text(text) for text in texts]), others)
    if os.path.isfile(path):  # noqa: PTH113 - as above
        return _corpus(path.name, Stream([open_text(path)]))
    raise DataError(_unknown(given, path))


def _corpus(name: str, stream: Stream, others: int = 0) -> Corpus:
    corpus = Corpus(name, stream, scan(stream), others)
    if corpus.length < 2:  # one character cannot be split
        where = stream.texts[0].name
        raise DataError(
            f"{where} has {'one character' if corpus.length else 'no text, it is empty'}; give a longer text"
        )
    return corpus


def _unknown(name: str, path: Path) -> str:
    there_are = f"give {', '.join(TEXTS)} or the path of a text file or of a folder of texts"
    if name and os.path.lexists(path):
        return f"{name} is neither a file nor a folder; {there_are}"
    if name.lower() in SOURCES:
        return f"{name} is not text; {there_are}"
    return f"no text is called {name!r}, and no file or folder is there; {there_are}"


def _files(count: int) -> str:
    return "file" if count == 1 else "files"


def _readable(size: int) -> str:
    """A size for people: "466 kB"."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 100 * unit else f"{size / unit:.0f} {name}"
    return f"{size} bytes"
