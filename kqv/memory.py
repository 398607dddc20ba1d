"""This machine's memory, and how to keep it: freed memory stays for the next step, where the C library would give it
back to the system each time.

A training step frees and takes the same sizes again. Larger ones come from the system anew, page by page, and a small
model feels that: 11 to 16 % of a step (docs/log.md).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # from <malloc.h>
_LARGE, _PAD = 1 << 30, 1 << 26  # bytes


def keep_freed_memory() -> None:
    """Ask the C library to keep what this process frees; nothing happens where it cannot be asked (only glibc can)."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl, Windows
        return
    for option, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE), (_TOP_PAD, _PAD)):
        set_option(option, value)


def give_back_freed_memory() -> None:
    """Ask the C library to give the system what this process freed; nothing happens where it cannot be asked."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return


def own_memory() -> int | None:
    """Bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def held() -> int | None:
    """Bytes of memory that this process holds; None where the system does not say (only Linux does)."""
    return _of_process("VmRSS")


def most_held() -> int | None:
    """Bytes of memory that this process held when it held most; None where the system does not say."""
    return _of_process("VmHWM")


def _of_process(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{field}:")))
    except (OSError, StopIteration):
        return None
