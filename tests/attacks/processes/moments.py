"""The moments at which what comes from outside can matter: around everything that changes what is on the disk."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEFORE = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}
"""What Python tells of before it does it."""

AFTER = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir")


@dataclass
class Moment:
    """The moment number `at` of a process, where it gets signals, or something is done; 0: nowhere, all are counted,
    and written to `count`.

    `torn`: how much of a file that is being written at that moment is there, from 0 to 1; None: all of it.
    """

    at: int = 0
    torn: float | None = None
    count: Path | None = None
    signals: tuple[int, ...] = (signal.SIGKILL,)
    do: Callable[[], None] | None = None
    seen: int = 0

    def pass_(self) -> bool:
        """One more; whether it is the one."""
        self.seen += 1
        return self.seen == self.at

    def come(self) -> None:
        """What happens at it."""
        if self.do is not None:
            self.do()
            return
        for number in self.signals:
            os.kill(os.getpid(), number)

    def note(self) -> None:
        """Write down how many there were."""
        if self.count is not None:
            path, self.count = self.count, None
            path.write_text(str(self.seen))


def watch(moment: Moment) -> None:
    """From now on this is what happens to this process at the moment."""

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in BEFORE or (event == "open" and _writes(arguments))
        if changes and moment.pass_():
            moment.come()

    sys.dont_write_bytecode = True  # what Python keeps of modules counts for nothing
    sys.addaudithook(heard)
    for name in AFTER:
        setattr(os, name, _followed(getattr(os, name), moment))
    os.open = _torn_line(os.open, moment)
    os.fsync = _torn_file(os.fsync, moment)


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else any(sign in mode for sign in "wax+")


def _followed(do: Callable[..., Any], moment: Moment) -> Callable[..., Any]:
    def done(*arguments: Any, **options: Any) -> Any:
        found = do(*arguments, **options)
        if moment.pass_():
            moment.come()
        return found

    return done


def _torn_file(do: Callable[[int], None], moment: Moment) -> Callable[[int], None]:
    """Before a file is made sure of: only a part of it may be there."""

    def done(handle: int) -> None:
        if moment.pass_():
            if moment.torn is not None:
                os.ftruncate(handle, int(os.fstat(handle).st_size * moment.torn))
            moment.come()
        do(handle)

    return done


def _torn_line(do: Callable[..., int], moment: Moment) -> Callable[..., int]:
    """Where a line is added: a part of it may be there."""

    def done(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        handle = do(path, flags, *arguments, **options)
        if flags & os.O_APPEND and moment.pass_():
            line = b'{"step": 1, "seconds": 0.5, "loss": 2.25}'
            os.write(handle, line[: int(len(line) * (moment.torn or 0))])
            moment.come()
        return handle

    return done
