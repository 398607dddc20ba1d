"""Writing a folder so that it appears only when all of it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
