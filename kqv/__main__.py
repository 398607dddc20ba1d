"""The whole process of the command line: `kqv`, `python -m kqv`, and each of those that torchrun starts.

Ctrl-C ends it without a traceback, however early or late it comes, and however often.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

INTERRUPTED = 128 + 2  # as shells have it; what says so elsewhere is not imported yet


def run() -> NoReturn:
    """Run the command line with the process' own words, and end the process."""
    heard = signal.getsignal(signal.SIGINT) != signal.SIG_IGN  # of a job in the background it is ignored
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what is imported first has nothing to clean up
    from kqv.cli.main import main

    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except KeyboardInterrupt:  # another one, in the moment in which the first was answered
        os._exit(INTERRUPTED)
    finally:
        if heard:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to be saved while Python ends


if __name__ == "__main__":
    run()
