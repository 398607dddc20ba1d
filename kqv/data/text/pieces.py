"""A text of any size in pieces of about 1 MB, cut where no tokenizer joins what stands on both sides.

GPT-2's pattern, which ByteLevel byte-pair encoding uses, splits a text into words (with one space before them) and runs
of whitespace. So no token reaches from a character that is no whitespace to whitespace after it, and a cut there gives
the same tokens as the whole text. (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", 2.2.)
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kqv.data.text.streams import Stream
from kqv.errors import DataError

PIECE = 1_000_000  # bytes
# Unicode's White_Space, which is what \s means in the pattern. Python's own strip() also takes U+001C to U+001F.
WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Piece:
    """A piece of a stream: its bytes from `start` to before `stop` are so many characters."""

    start: int
    stop: int
    characters: int


@dataclass(frozen=True)
class Scan:
    """What one reading of a whole stream finds out; `alphabet` has the distinct characters by code point."""

    pieces: tuple[Piece, ...]
    alphabet: str
    sha256: str


def scan(stream: Stream, size: int = PIECE) -> Scan:
    """Read a stream once, piece by piece, and check that it is text.

    Raises `DataError` for bytes that are no UTF-8, and for a zero byte, which no text has: with file and position.
    """
    checksum = hashlib.sha256()
    seen = np.zeros(CODE_POINTS, dtype=np.bool_)
    pieces = []
    for start, text in _cut(stream, size):
        content = text.encode("utf-8")
        checksum.update(content)
        seen[np.frombuffer(text.encode("utf-32-le"), dtype="<u4")] = True
        pieces.append(Piece(start, start + len(content), len(text)))
    return Scan(tuple(pieces), "".join(map(chr, np.flatnonzero(seen).tolist())), checksum.hexdigest())


def _cut(stream: Stream, size: int) -> Iterator[tuple[int, str]]:
    """Each piece with the position of its first byte."""
    start = 0
    while start < stream.size:
        text = _decoded(stream, start, stream.read(start, start + size))
        if start + size < stream.size:
            text = text[: _last_border(text)]
        yield start, text
        start += len(text.encode("utf-8"))


def _decoded(stream: Stream, start: int, content: bytes) -> str:
    """`content`, which begins at byte `start`, as text; a character that breaks off at its end waits for more."""
    zero = content.find(b"\x00")
    if zero >= 0:
        name, position = stream.locate(start + zero)
        raise DataError(f"{name} is not text: byte {position:,} is zero; give text files in UTF-8")
    try:
        return codecs.utf_8_decode(content, "strict", start + len(content) == stream.size)[0]
    except UnicodeDecodeError as failure:
        name, position = stream.locate(start + failure.start)
        raise DataError(
            f"{name} is not UTF-8: byte {position:,} is {content[failure.start]:#04x}, {_reason(failure)};"
            " save it as UTF-8 (an editor can, or iconv), or leave it out"
        ) from None


def _reason(failure: UnicodeDecodeError) -> str:
    return "where its last character breaks off" if "unexpected end" in failure.reason else "which fits no character"


def _last_border(text: str) -> int:
    """How many characters of `text` make a piece: up to a line's end, else a word's end, else all."""
    for sign in ("\n", " "):
        border = len(text[: text.rfind(sign) + 1].rstrip(WHITESPACE))
        if border:
            return border
    return len(text)
