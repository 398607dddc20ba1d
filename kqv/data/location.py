"""Where data is, written so that it is found from any folder."""

from __future__ import annotations

import os

from kqv.data.registry import SOURCES


def location_of(data: str) -> str:
    """A set's name as it is; a file or folder as its whole path, so that a run finds it from anywhere."""
    if data.strip().lower() in SOURCES:
        return data.strip().lower()
    path = os.path.expanduser(data)  # noqa: PTH111 - Path raises for names that are not allowed
    return os.path.realpath(path) if os.path.exists(path) else data  # noqa: PTH110
