"""Writing files so that a crash, a full disk or a kill leaves either the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from kqv.errors import Error
from kqv.files.temporary import new_file, remove_leftovers


class WriteError(Error):
    """The system refused to write a file; `errno` says why."""

    def __init__(self, message: str, number: int | None) -> None:
        super().__init__(message)
        self.errno = number


_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; choose another location",
    errno.EACCES: "permission denied; choose a location that you may write to",
    errno.EPERM: "permission denied; choose a location that you may write to",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another location",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EIO: "the disk reports an error; choose another one",
}


def reason(failure: OSError) -> str:
    """Why the system refused, and what to do, in a few words."""
    return _REASONS.get(failure.errno or 0, (failure.strerror or str(failure)).lower())


def require_text(name: str | Path) -> None:
    """Raise `Error` for a name that is no UTF-8: no JSON has it, and libraries do not find it."""
    try:
        str(name).encode("utf-8")
    except UnicodeEncodeError:
        with suppress(UnicodeError):
            meant = os.fsencode(name).decode("utf-8")  # it is, but Python was told that names are ASCII
            raise Error(f"Python reads the name {meant} as {sys.getfilesystemencoding()}; set PYTHONUTF8=1") from None
        shown = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
        raise Error(f"the name {shown} is not text in UTF-8; rename it, or choose another one") from None


def make_folder(path: Path) -> None:
    """Make a folder with its parents; raise `Error` in one line when it cannot be made, and as `require_text`."""
    require_text(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise Error(f"cannot make the folder {path}: a file of that name stands there; choose another name") from None
    except OSError as failure:
        raise Error(f"cannot make the folder {path}: {reason(failure)}") from None


@contextmanager
def written_atomically(path: Path) -> Iterator[BinaryIO]:
    """Give a new file to write to; when the `with` ends well, it takes the path's place in one step.

    What killed writers of the same path left is removed. Raises `Error` in one line when the disk refuses; what stood
    there before is still there then.
    """
    remove_leftovers(path.parent, path.name)
    with replaced(path) as file:
        yield file
    _sync_folder(path.parent)


@contextmanager
def replaced(path: Path, directory: int | None = None) -> Iterator[BinaryIO]:
    """As `written_atomically`, in the directory of a handle where one is given: whatever stands at its path now."""
    try:
        handle, temporary = new_file(path, directory)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(handle)  # the data must be on disk before the name points at it
                if os.name != "nt":  # before it is closed, as it is locked so long; Windows renames no open file
                    _rename(temporary, path, directory)
            if os.name == "nt":
                _rename(temporary, path, directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
    except OSError as failure:
        message = f"cannot write {path}: {reason(failure)}; what was there before is kept"
        raise WriteError(message, failure.errno) from None


def _rename(temporary: str, path: Path, directory: int | None) -> None:
    target = str(path) if directory is None else path.name
    os.replace(temporary, target, src_dir_fd=directory, dst_dir_fd=directory)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder; the rename is atomic all the same
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def require_writable(path: Path) -> None:
    """Raise `Error` in one line where no file can be written at a path, so that nobody computes for nothing."""
    try:
        handle, temporary = new_file(path)
        os.close(handle)
        os.unlink(temporary)  # noqa: PTH108 - it is text
    except OSError as failure:
        raise Error(f"cannot write {path}: {reason(failure)}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_atomically(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically, readable for people."""
    write_text(path, json_text(content))


def json_text(content: Mapping[str, Any]) -> str:
    """What `write_json` writes."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parsed_json(text: str) -> Any:
    """JSON as the standard has it; `ValueError` for anything else, and for numbers that are infinite or NaN."""
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is infinite or NaN")
    return number
