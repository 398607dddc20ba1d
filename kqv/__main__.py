"""The whole process of the command line: `kqv`, `python -m kqv`, and each of those that torchrun starts.

Ctrl-C, SIGTERM and SIGHUP end it without a traceback, however early or late they come, and however often.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` is built of more, and Ctrl-C meanwhile would be a traceback
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 128 + 2  # as shells have it; what says so elsewhere is not imported yet
LEAVING = 2.0  # seconds that threads get which still compute something when all is said


def run() -> NoReturn:
    """Run the command line with the process' own words, and end the process."""
    heard = _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN  # of a job in the background it is ignored
    if heard:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # what is imported first has nothing to clean up
    import signal

    from kqv.cli.console import IS_ONE_OF_SEVERAL
    from kqv.cli.failures import Terminated
    from kqv.cli.main import main

    def end(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        raise Terminated(number)

    # one of several processes may wait in C for another that has ended: Python would hear nothing there
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ending = [number for number in known if not IS_ONE_OF_SEVERAL and signal.getsignal(number) == signal.SIG_DFL]
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
    except SystemExit as ended:
        if isinstance(ended.code, int | None) and is_computing():
            os._exit(ended.code or 0)
        raise


def is_computing() -> bool:
    """Whether threads go on, for which Python would wait: what a page of the lab asked for may take a minute. All that
    was said is written then."""
    import sys
    import threading
    import time
    from contextlib import suppress

    end = time.monotonic() + LEAVING
    others = [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
    for thread in others:
        thread.join(max(0.0, end - time.monotonic()))
    if not any(thread.is_alive() for thread in others):
        return False
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    return True


if __name__ == "__main__":
    run()
