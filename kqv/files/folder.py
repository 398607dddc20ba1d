"""Writing a folder, or a file that a library writes, so that it appears only when all of it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kqv.errors import Error
from kqv.files import make_folder, reason
from kqv.files.temporary import new_folder, remove_leftovers


@contextmanager
def written_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into; when the `with` ends well, it takes the path's place in one step.

    Raises `Error` in one line where something stands there that is no empty folder, and where the disk refuses.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise Error(f"{folder} is a file; choose the name of a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise Error(f"{folder} is not empty; choose a new folder")
    make_folder(folder.parent)
    try:
        remove_leftovers(folder.parent, folder.name)
        with new_folder(folder.parent, folder.name) as temporary:
            part = temporary / folder.name
            part.mkdir()
            yield part
            if folder.is_dir():
                folder.rmdir()
            part.replace(folder)
    except OSError as failure:
        raise Error(f"cannot write {folder}: {reason(failure)}") from None


@contextmanager
def written_file(path: Path, beside: Sequence[str] = ()) -> Iterator[Path]:
    """Give a path where a library can write a file; when the `with` ends well, it takes the path's place in one step.

    `beside`: names of files that may be written next to it; those that are appear before it does.
    Raises `Error` in one line where something stands there, and where the disk refuses.
    """
    if path.is_dir():
        raise Error(f"{path} is a folder; choose the name of a new file")
    for taken in (path, *(path.with_name(name) for name in beside)):
        if os.path.lexists(taken):
            raise Error(f"there is a file {taken} already; choose the name of a new one")
    make_folder(path.parent)
    try:
        remove_leftovers(path.parent, path.name)
        with new_folder(path.parent, path.name) as temporary:
            part = temporary / path.name
            yield part
            others = [temporary / name for name in beside if (temporary / name).exists()]
            for written in (*others, part):
                with written.open("rb+") as file:
                    os.fsync(file)  # the data must be on disk before the name points at it
            for written in (*others, part):
                written.replace(path.with_name(written.name))
    except OSError as failure:
        raise Error(f"cannot write {path}: {reason(failure)}") from None
