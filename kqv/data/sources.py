"""Finding, fetching, reading and verifying the files of the data sources.

A file is looked for in this order:

1. the folder that the environment variable ``KQV_DATA`` names, in the source's subfolder (``mnist/…``), or several
   folders, one after the other, parted as those of ``PATH`` are (by ``:``, on Windows by ``;``),
2. the cache (on Linux ``~/.cache/kqv``), which a download fills, or a hand,
3. its public addresses, one after the other.

In the folders a file may lie as it is or compressed (``.gz``). Whatever is read is checked against the sha256 of the
uncompressed file, every time: that takes less than a tenth of a second for MNIST.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kqv.data.download import Bar, Progress, download, most_of, unpack
from kqv.data.registry import SOURCES, File, Source
from kqv.errors import DataError
from kqv.files.reading import read_bytes

__all__ = [
    "SOURCES",
    "Bar",
    "Check",
    "File",
    "Progress",
    "Source",
    "cache_folder",
    "fetch",
    "find",
    "lookup",
    "read",
    "verify",
]


@dataclass(frozen=True)
class Check:
    """What `verify` found out about one file: its state, where it lies, and what is wrong and what to do, in a line."""

    file: File
    state: Literal["good", "damaged", "missing"]
    path: Path | None = None
    problem: str = ""


def lookup(name: str) -> Source:
    """The source called `name`; upper and lower case are the same.

    Raises `DataError` for a name that does not exist, with the names that do.
    """
    source = SOURCES.get(name.strip().lower())
    if source is None:
        raise DataError(f"no data source is called {name!r}; there are {', '.join(SOURCES)}")
    return source


def cache_folder() -> Path:
    """The folder that downloads go to, by the operating system's convention; it may not exist yet."""
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("kqv"))


def find(source: Source, file: File) -> Path | None:
    """Where `file` lies, compressed or not, or None. Looks in ``KQV_DATA`` and the cache; asks no network.

    Raises `DataError` if ``KQV_DATA`` names something that is no folder.
    """
    for folder in [*_own_folders(), cache_folder()]:
        for name in (file.name, file.name + ".gz"):
            path = folder / source.folder / name
            if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where it may not look
                return path
    return None


def fetch(name: str, progress: Progress | None = None, *, force: bool = False) -> dict[str, Path]:
    """Make every file of the source `name` be here, whole and right; return the path of each by its name.

    What is missing is downloaded, and what is damaged in the cache is downloaded again. With `force` everything is
    downloaded into the cache, whatever is here. ``KQV_DATA`` is never written: a damaged file there is an error.
    `progress` makes a bar for each download. An embedded source has no files: the answer is empty.

    Raises `DataError`: unknown name, failed download, damaged file in ``KQV_DATA``, cache that can't be written.
    """
    source = lookup(name)
    return {file.name: _make_present(source, file, progress, force) for file in source.files}


def read(name: str, filename: str, progress: Progress | None = None) -> bytes:
    """The content of one file of the source `name`, uncompressed and checked; downloads it if it is not here.

    Raises `DataError`: unknown source or file, failed download, and a file that is truncated or altered.
    """
    source = lookup(name)
    file = next((file for file in source.files if file.name == filename), None)
    if file is None:
        names = ", ".join(file.name for file in source.files) or "none, it is embedded"
        raise DataError(f"{source.name} has no file {filename!r}; its files: {names}")
    path = find(source, file) or _download(source, file, progress)
    content, problem = _load(path, file)
    if problem:
        raise DataError(_damaged(source, path, problem))
    return content


def verify(name: str) -> list[Check]:
    """Check the size and sha256 of every file of the source `name`; downloads nothing, reports instead of raising.

    An embedded source has no files to check. Raises `DataError` only for an unknown name, and for a ``KQV_DATA`` that
    names no folder.
    """
    source = lookup(name)
    checks = []
    for file in source.files:
        path = find(source, file)
        if path is None:
            checks.append(Check(file, "missing"))
        elif problem := _load(path, file)[1]:
            checks.append(Check(file, "damaged", path, _damaged(source, path, problem)))
        else:
            checks.append(Check(file, "good", path))
    return checks


def _own_folders() -> list[Path]:
    """The folders that ``KQV_DATA`` names, if it is set."""
    value = os.environ.get("KQV_DATA", "").strip()
    whole = os.path.isdir(os.path.expanduser(value))  # noqa: PTH111, PTH112 - also one whose name has a colon
    names = [value] if whole else [name.strip() for name in value.split(os.pathsep)]
    folders = [Path(os.path.expanduser(name)) for name in names if name]  # noqa: PTH111 - Path raises for strange users
    for folder in folders:
        if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where it may not look
            raise DataError(f"KQV_DATA names {folder}, which is not a folder; correct it or unset it")
    return folders


def _make_present(source: Source, file: File, progress: Progress | None, force: bool) -> Path:
    path = None if force else find(source, file)
    if path is not None:
        problem = _load(path, file)[1]
        if not problem:
            return path
        if not _is_in_cache(path):
            raise DataError(_damaged(source, path, problem))
    return _download(source, file, progress)


def _download(source: Source, file: File, progress: Progress | None) -> Path:
    return download(source, file, cache_folder() / source.folder, progress)


def _is_in_cache(path: Path) -> bool:
    return path.is_relative_to(cache_folder())


def _load(path: Path, file: File) -> tuple[bytes, str]:
    """The uncompressed content of `path`, and what is wrong with it: an empty string if it is `file`."""
    try:
        content = unpack(read_bytes(path, most_of(file)), file.size)
    except OSError as error:
        return b"", f"it cannot be read ({error.strerror or error})"
    except zlib.error as error:
        return b"", f"its gzip compression is damaged ({error})"
    checksum = hashlib.sha256(content).hexdigest()
    if checksum == file.sha256:
        return content, ""
    found = f"{len(content):,}" if len(content) <= file.size else f"more than {file.size:,}"
    return content, f"expected {file.size:,} bytes, sha256 {file.sha256}; found {found} bytes, sha256 {checksum}"


def _damaged(source: Source, path: Path, problem: str) -> str:
    """One line about a damaged file: only what lies in the cache is ours to replace."""
    advice = f"run `kqv data fetch {source.name}`"
    if not _is_in_cache(path):
        advice = f"remove it or replace it (KQV_DATA is yours, so it is not overwritten); to download it, then {advice}"
    return f"{source.name}: {path} is truncated or altered: {problem}; {advice}"
