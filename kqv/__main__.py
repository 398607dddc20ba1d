"""The whole process of the command line: `kqv`, `python -m kqv`, and each of those that torchrun starts.

Ctrl-C, SIGTERM and SIGHUP end it without a traceback, however early or late they come, and however often.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + 2  # as shells have it; what says so elsewhere is not imported yet
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run() -> NoReturn:
    """Run the command line with the process' own words, and end the process."""
    heard = signal.getsignal(signal.SIGINT) != signal.SIG_IGN  # of a job in the background it is ignored
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is imported first has nothing to clean up
    from kqv.cli.console import IS_ONE_OF_SEVERAL
    from kqv.cli.failures import Terminated
    from kqv.cli.main import main

    def end(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        raise Terminated(number)

    # one of several processes may wait in C for another that has ended: Python would hear nothing there
    ending = [number for number in ENDING if not IS_ONE_OF_SEVERAL and signal.getsignal(number) == signal.SIG_DFL]
    try:
        try:
            if heard:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            for number in ending:
                signal.signal(number, end)
            main()
        finally:
            for number in (*([signal.SIGINT] if heard else []), *ending):
                signal.signal(number, signal.SIG_DFL)  # nothing is left to be saved while Python ends
    except KeyboardInterrupt:  # another one, in the moment in which the first was answered
        os._exit(INTERRUPTED)
    except Terminated as stopped:
        os._exit(stopped.status)


if __name__ == "__main__":
    run()
