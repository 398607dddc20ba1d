"""Which files of a folder are texts."""

from __future__ import annotations

import os
from pathlib import Path

from kqv.errors import DataError

ENDINGS = (
    "txt text md markdown rst org adoc tex html htm xml json jsonl csv tsv yaml yml toml ini log srt"
    " py pyi c h cc cpp hpp js java go rs rb sh css sql jl lua pl php swift kt hs"
)
TEXT_SUFFIXES = frozenset(f".{ending}" for ending in ENDINGS.split())
NO_TEXTS = {"__pycache__", "__macosx", "node_modules"}


def list_texts(folder: Path) -> tuple[list[Path], int]:
    """The text files of `folder` and its subfolders by their paths in it, and how many other files it has.

    A text is known by the end of its name (`TEXT_SUFFIXES`). Empty files and whatever begins with a dot do not count.
    Raises `DataError` if there is no text, or a folder cannot be read.
    """
    texts, others = [], 0
    for path in _files(folder):
        if path.suffix.lower() not in TEXT_SUFFIXES:
            others += 1
        elif os.path.getsize(path):  # noqa: PTH202 - as short
            texts.append(path)
    if not texts:
        found = f"{others:,} of other kinds" if others else "none"
        raise DataError(f"{folder} has no text: expected files .txt, .md, .py and the like, found {found}; add some")
    return sorted(texts, key=lambda path: path.relative_to(folder).as_posix()), others


def _files(folder: Path) -> list[Path]:
    """All regular files, none of them hidden; folders that are links are not followed, since they may go in circles."""
    found = []
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if name[0] != "." and name.lower() not in NO_TEXTS]
        found += [Path(parent, name) for name in names if name[0] != "."]
    return [path for path in found if path.is_file()]


def _refuse(failure: OSError) -> None:
    raise DataError(f"{failure.filename} cannot be read: {failure.strerror or failure}") from None
