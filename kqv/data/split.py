"""An order that looks random and is the same on every machine and in every version: by the hash of a name."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable


def by_hash(names: Iterable[str]) -> list[int]:
    """The positions of `names`, ordered by the sha256 of each name (UTF-8, Unicode normal form C).

    No random generator is asked, so neither its version nor the order of a folder's listing plays a part.
    """
    # Normal form C: some file systems hand out "é" in two characters, others in one.
    hashes = [hashlib.sha256(unicodedata.normalize("NFC", name).encode()).hexdigest() for name in names]
    return sorted(range(len(hashes)), key=lambda position: hashes[position])
