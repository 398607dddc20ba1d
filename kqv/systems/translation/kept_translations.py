"""Translations that are kept as they are made, so that a process that is killed does not have to make them again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from kqv.errors import Error
from kqv.files import make_folder, parsed_json
from kqv.files.reading import read_bytes

TRANSLATIONS = "translations"
"""The folder of a run in which its translations are saved."""

Kept: TypeAlias = list[tuple[str, bool]]
"""Translations in a line each, with whether each is complete."""


class KeptTranslations:
    """A file to which the translations of a block of sentences are added as soon as they are made.

    A line of JSON is a block: its number, its translations, and their checksum. What is damaged or was cut off by a
    kill is passed over, so that these blocks are made again. Where the file cannot be written, nothing is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks = dict(filter(None, map(_block, _lines(path))))

    def add(self, number: int, translations: Kept) -> None:
        """Keep a block, on the disk when this ends."""
        self.blocks[number] = translations
        content = {"block": number, "sha256": _checksum(number, translations), "translations": translations}
        line = json.dumps(content, ensure_ascii=False, allow_nan=False)
        with suppress(Error, OSError):
            make_folder(self.path.parent)
            with self.path.open("ab") as file:
                file.write(f"\n{line}\n".encode())  # a line feed before it too: behind a line that was cut off
                file.flush()
                os.fsync(file.fileno())


def _lines(path: Path) -> Sequence[bytes]:
    try:
        return read_bytes(path).split(b"\n")
    except OSError:
        return ()


def _block(line: bytes) -> tuple[int, Kept] | None:
    """The block of a line; None where it is none, or another one than was written."""
    try:
        content = parsed_json(line.decode("utf-8"))
        number, translations = content["block"], [(text, complete) for text, complete in content["translations"]]
        whole = content["sha256"] == _checksum(number, translations)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (number, translations) if whole else None


def _checksum(number: int, translations: Kept) -> str:
    content = json.dumps([number, translations], allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()
