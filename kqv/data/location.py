"""Where data is, written so that it is found from any folder."""

from __future__ import annotations

import os

from kqv.data.registry import SOURCES
from kqv.files import require_text


def location_of(data: str) -> str:
    """A set's name as it is; a file or folder as its whole path, so that a run finds it from anywhere.

    Of two files with a comma between them, each. Raises `Error` for a name that is no UTF-8.
    """
    if data.strip().lower() in SOURCES:
        return data.strip().lower()
    path = os.path.expanduser(data)  # noqa: PTH111 - Path raises for names that are not allowed
    if not os.path.lexists(path) and data.count(",") == 1:
        return ",".join(map(location_of, data.split(",")))
    found = os.path.realpath(path) if os.path.exists(path) else data  # noqa: PTH110
    require_text(found)
    return found


def files_of(data: str) -> str | list[str]:
    """The two files of a location that has a comma between them, else the one that it is."""
    return data.split(",") if data.count(",") == 1 and not os.path.lexists(data) else data
