"""Writing files so that a crash, a full disk or a kill leaves either the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kqv.errors import Error

_PART = ".part"

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.EACCES: "permission denied; choose a place that you may write to",
    errno.EPERM: "permission denied; choose a place that you may write to",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EIO: "the disk reports an error; choose another one",
}


def reason(failure: OSError) -> str:
    """Why the system refused, and what to do, in a few words."""
    return _REASONS.get(failure.errno or 0, (failure.strerror or str(failure)).lower())


def make_folder(path: Path) -> None:
    """Make a folder with its parents; raise `Error` in one line when it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise Error(f"cannot make the folder {path}: a file of that name stands there; choose another name") from None
    except OSError as failure:
        raise Error(f"cannot make the folder {path}: {reason(failure)}") from None


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; when the `with` ends well, the file takes its place in one step.

    Raises `Error` in one line when the disk refuses; what stood there before is still there then.
    """
    # a folder of its own: whoever writes the file may put temporary ones of his beside it (safetensors does)
    folder = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    temporary = folder / path.name
    try:
        folder.mkdir(exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # the data must be on disk before the name points at it
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as failure:
        raise Error(f"cannot write {path}: {reason(failure)}; what was there before is kept") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers left that were killed; only where nobody else writes at the moment."""
    for part in folder.glob(f".*{_PART}"):
        shutil.rmtree(part, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder; the rename is atomic all the same
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically, readable for people."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
