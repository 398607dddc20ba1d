"""A folder that is held open while it is written to, so that nothing lands in another one that took its name."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kqv.errors import Error
from kqv.files import WriteError, reason, replaced
from kqv.files.reading import open_regular
from kqv.files.temporary import remove_leftovers

try:
    import fcntl
except ImportError:  # Windows: no locks, and no handles of folders; there its identity is compared before each write
    fcntl = None  # type: ignore[assignment]

_APPENDING = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_GONE = (errno.ENOENT, errno.ESTALE)


class MovedError(Error):
    """The folder was removed, or was moved and can only be reached by its path."""


class LockedError(Error):
    """Another process holds the folder's lock."""


class Directory:
    """A folder by what it is, not by its name: after `mv FOLDER OTHER`, what is written goes to OTHER.

    Raises `Error` where there is no such folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle: int | None = None
        try:
            if fcntl is not None:
                self.handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            self._facts = os.stat(path) if self.handle is None else os.fstat(self.handle)  # noqa: PTH116
        except OSError as failure:
            raise Error(f"cannot open the folder {path}: {reason(failure)}") from None

    def close(self) -> None:
        """Let go of it, and of its lock."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def lock(self, shared: bool = False) -> None:
        """Lock it until it is closed; the system unlocks it when this process ends, however it does.

        `LockedError` where another process has locked it. Where the system has no such locks, nothing is kept away.
        """
        if fcntl is None or self.handle is None:
            return
        try:
            fcntl.flock(self.handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"another process works in {self.path}") from None
        except OSError:  # a file system without locks
            return

    @property
    def is_in_place(self) -> bool:
        """Whether its path still leads to it."""
        try:
            return os.path.samestat(os.stat(self.path), self._facts)  # noqa: PTH116
        except OSError:
            return False

    @property
    def now_at(self) -> Path | None:
        """Where it is now; None where it was removed, or the system does not tell."""
        if self.is_in_place:
            return self.path
        found = _path_of(self.handle) if self.handle is not None else None
        with suppress(OSError):
            if found is not None and os.path.samestat(os.stat(found), self._facts):  # noqa: PTH116
                return found
        return None

    @contextmanager
    def replaced(self, name: str) -> Iterator[BinaryIO]:
        """A new file that takes the place of `name` when the `with` ends well; `Error` where the disk refuses, as
        `kqv.files.written_atomically`; `MovedError` where the folder is gone."""
        self._require_reach(name)
        try:
            with replaced(self.path / name, self.handle) as file:
                yield file
        except WriteError as failure:
            if failure.errno in _GONE:
                raise self._gone(name) from None
            raise
        if self.handle is not None:
            with suppress(OSError):  # some file systems cannot sync a folder; the rename is atomic all the same
                os.fsync(self.handle)

    def append(self, name: str, text: str) -> None:
        """Add text to the end of a file; errors as of `replaced`."""
        self._require_reach(name)
        try:
            with os.fdopen(os.open(self._at(name), _APPENDING, 0o666, dir_fd=self.handle), "ab") as file:
                file.write(text.encode("utf-8"))
        except OSError as failure:
            if failure.errno in _GONE:
                raise self._gone(name) from None
            raise Error(f"cannot write {self.path / name}: {reason(failure)}") from None

    def read(self, name: str) -> bytes | None:
        """What stands in a file; None where there is none. `Error` where it cannot be read."""
        with self.opened(name) as file:
            return None if isinstance(file, io.BytesIO) else file.read()

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        """A file to read from, an empty one where there is none. `Error` where it cannot be read."""
        try:
            file: BinaryIO = open_regular(self._at(name), self.handle)
        except FileNotFoundError:
            file = io.BytesIO()
        except OSError as failure:
            raise Error(f"{self.path / name} cannot be read: {reason(failure)}") from None
        with file:
            yield file

    def names(self) -> list[str]:
        """The names of what is in it."""
        return os.listdir(self.path if self.handle is None else self.handle)  # noqa: PTH208

    def remove(self, *names: str) -> None:
        """Remove files, where they are there and can be removed."""
        for name in names:
            with suppress(OSError):
                os.unlink(self._at(name), dir_fd=self.handle)

    def remove_leftovers(self) -> None:
        """Remove what killed writers left."""
        if self.is_in_place:
            remove_leftovers(self.path)

    def _at(self, name: str) -> str:
        return str(self.path / name) if self.handle is None else name

    def _require_reach(self, name: str) -> None:
        if self.handle is None and not self.is_in_place:
            raise self._gone(name)

    def _gone(self, name: str) -> MovedError:
        return MovedError(f"cannot write {self.path / name}: the folder was moved or removed")


def _path_of(handle: int) -> Path | None:
    """The path that the system knows for an open folder: Linux by its process table, macOS by a call."""
    with suppress(OSError):
        if hasattr(fcntl, "F_GETPATH"):
            return Path(os.fsdecode(fcntl.fcntl(handle, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
        return Path(f"/proc/self/fd/{handle}").readlink()
    return None
