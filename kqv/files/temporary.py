"""Temporary files and folders beside what they become: names that nobody can foresee, and gone when their maker is.

Each is made new (an existing one, or a link of that name, is never taken) and locked as long as it is written. So what
killed processes left can be told from what a living one writes, and is removed the next time.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there no file can be removed that somebody has open
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".part"
_NAME_LENGTH = 50  # characters of the final name that a temporary one begins with: file systems allow 255 bytes
_ABANDONED = 24 * 3600  # seconds after which it has no writer any more, on file systems that cannot lock
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def new_file(path: Path, directory: int | None = None) -> tuple[int, str]:
    """A new locked file beside `path`: its handle, and its name, relative to the handle of a directory if one is given.

    Raises `OSError` where the system refuses.
    """
    while True:
        name = f"{_beginning(path.name)}{secrets.token_hex(8)}{_SUFFIX}"
        name = name if directory is not None else str(path.with_name(name))
        handle = os.open(name, _NEW, 0o666, dir_fd=directory)
        if _claim(handle):
            return handle, name
        os.close(handle)


@contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new locked folder in `parent` that only its owner can enter; removed at the end with all that is in it then.

    What should stay is renamed out of it. Raises `OSError` where the system refuses.
    """
    folder, handle = _locked_folder(parent, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes of this user left in a folder, for files of a name or for all; nothing else."""
    with suppress(OSError), os.scandir(folder) as entries:
        found = [entry.path for entry in entries if is_temporary(entry.name, name)]
        for path in found:
            with suppress(OSError):
                _remove_if_left(path)


def is_temporary(found: str, name: str | None = None) -> bool:
    """Whether a file of this name is a temporary one: of a final name, or of any."""
    return found.startswith("." if name is None else _beginning(name)) and found.endswith(_SUFFIX)


def _beginning(name: str) -> str:
    return f".{name[:_NAME_LENGTH]}."


def _locked_folder(parent: Path, name: str) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(_SUFFIX, _beginning(name), parent))
        if fcntl is None:
            return folder, None
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # removed in the moment before it was locked
            continue
        if _claim(handle) and folder.exists():
            return folder, handle
        os.close(handle)


def _claim(handle: int) -> bool:
    """Lock a new file; False where another process took it for a leftover in the moment before."""
    if fcntl is None:
        return True
    with suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX)
    return os.fstat(handle).st_nlink > 0


def _remove_if_left(path: str) -> None:
    facts = os.lstat(path)
    if fcntl is None:
        _remove(path, facts)
        return
    if facts.st_uid != os.getuid() or not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # somebody is writing it
        return
    except OSError:
        if facts.st_mtime < time.time() - _ABANDONED:
            _remove(path, facts)
    else:
        _remove(path, facts)
    finally:
        os.close(handle)


def _remove(path: str, facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)  # noqa: PTH108 - paths of scandir are text
