"""A checksum of the front end's sources, by which the lab sees whether its pages were built of them.

The build hook runs this file by itself: it imports nothing but the standard library.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

STAMP = "stamp"
"""The file among the built pages that says of which sources they were made; written last."""

NOT_SOURCES = ("node_modules", "static", "dist", ".svelte-kit")
_TESTS = (".test.ts", ".md")


def digest(web: Path) -> str:
    """A checksum over names and contents of all sources that the pages are built of."""
    found = hashlib.sha256()
    for path in sorted(web.rglob("*")):
        relative = path.relative_to(web)
        if set(relative.parts) & set(NOT_SOURCES) or path.name.endswith(_TESTS) or not path.is_file():
            continue
        found.update(f"{relative.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
