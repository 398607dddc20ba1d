"""What comes through a pipe: standard input as UTF-8, whatever the environment says of encodings."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from kqv.data.parallel.files import MARK
from kqv.errors import Error


def piped_lines() -> Iterator[str]:
    """The lines of standard input without their ends. Raises `Error` at the first one that is not UTF-8."""
    for number, content in enumerate(sys.stdin.buffer, 1):
        line = content.removeprefix(MARK) if number == 1 else content
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as failure:
            raise Error(f"standard input, line {number:,}: not UTF-8 ({failure.reason}); convert it first") from None


def piped_text() -> str:
    """All of standard input, without the end of its last line. Raises `Error` where it is not UTF-8."""
    return "\n".join(piped_lines())
