"""Reading files that somebody else may have put there: regular ones alone, and never more of them than is wanted.

A pipe waits for a writer that may never come, and a device such as /dev/zero has no end.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | Path, directory: int | None = None) -> BinaryIO:
    """A file to read from, in the directory of a handle where one is given.

    `OSError` where it cannot be opened, and at once where it is a pipe, a device or a folder.
    """
    handle = os.open(path, _READING, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            kind = "a folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "a pipe or a device"
            raise OSError(errno.EINVAL, f"it is {kind}, but a file was expected", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """What stands in a regular file, or its first `most` bytes; `OSError` as `open_regular`."""
    with open_regular(path) as file:
        return file.read() if most is None else file.read(most)


def read_text(path: str | Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a regular file, its ends of lines as one sign; `OSError` as `open_regular`, and
    `UnicodeDecodeError`."""
    return read_bytes(path).decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
