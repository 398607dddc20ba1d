"""What a library of another language tells standard error when it panics, kept away: the error that follows says it.

All else that is written there meanwhile, by whichever thread, comes through.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STANDARD_ERROR = 2
# as Rust tells it: "thread '<unnamed>' (123) panicked at src/x.rs:1:2:", what happened, and a note on backtraces
_PANIC = re.compile(rb"\n?thread '[^\n]*panicked at [^\n]*\n.*?\n(note: [^\n]*RUST_BACKTRACE[^\n]*\n|\Z)", re.DOTALL)

_lock = threading.Lock()
_inside = 0
_before = _aside = -1


@contextmanager
def without_panics() -> Iterator[None]:
    """Inside the `with`, what is written to standard error is held back; afterwards it is written, but for panics."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _before, _aside
    with _lock:
        _inside += 1
        if _inside > 1:
            return
        try:
            _before = os.dup(STANDARD_ERROR)
            _aside = _file()
            os.dup2(_aside, STANDARD_ERROR)
        except OSError:  # it is closed, or there are no more handles: then it is as loud as it is
            _close()


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if _inside or _aside < 0:
            return
        os.dup2(_before, STANDARD_ERROR)
        size = os.lseek(_aside, 0, os.SEEK_END)
        if size:
            os.lseek(_aside, 0, os.SEEK_SET)
            with suppress(OSError):
                os.write(STANDARD_ERROR, _PANIC.sub(b"", os.read(_aside, size)))
        _close()


def _file() -> int:
    """A file without a name: in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("standard error")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _close() -> None:
    global _before, _aside
    for handle in (_before, _aside):
        if handle >= 0:
            os.close(handle)
    _before = _aside = -1
