"""Labelled pictures for the digit recogniser: the embedded digits, MNIST, or a folder of one's own.

Pixels are bytes, 0 for background and 255 for the strongest ink, light on dark in every source.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kqv.data.folder import read_folder
from kqv.data.idx import read_idx
from kqv.data.labelled import DigitData, Pictures
from kqv.data.sets import PICTURES, SOURCES
from kqv.data.sources import Progress, read
from kqv.errors import DataError

__all__ = ["DigitData", "Pictures", "load_digits", "read_idx"]


def load_digits(
    data: str | Path | None = None, shape: tuple[int, int] = (28, 28), progress: Progress | None = None
) -> DigitData:
    """The pictures called `data`: a set of `PICTURES` ("mnist"), or the path of a folder of pictures by class; None is
    "digits8x8".

    A folder's pictures are brought to `shape` (rows, columns); the named sets keep theirs. What is not here is
    downloaded, with a bar from `progress`. A folder called like a set is meant by "./mnist".

    Raises `DataError`: unknown name, failed download, damaged file, and whatever is wrong with a folder.
    """
    name = "digits8x8" if data is None else os.fspath(data).strip()
    key = name.lower()
    if not isinstance(data, Path) and key in PICTURES:
        return PICTURES[key](lambda file: read(key, file, progress))
    folder = Path(os.path.expanduser(name))  # noqa: PTH111 - Path raises where there is no such user
    if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long or not allowed
        classes, splits = read_folder(folder, shape)
        return DigitData(
            folder.resolve().name, classes, **{split: Pictures(*arrays) for split, arrays in splits.items()}
        )
    raise DataError(_unknown(name, folder, PICTURES))


def _unknown(name: str, folder: Path, known: Iterable[str]) -> str:
    there_are = f"give {', '.join(known)} or the path of a folder with a subfolder of pictures for each class"
    if os.path.lexists(folder):
        return f"{name} is a file; {there_are}"
    if name.lower() in SOURCES:
        return f"{name} has no labelled pictures; {there_are}"
    return f"no pictures are called {name!r}, and no folder is there; {there_are}"
