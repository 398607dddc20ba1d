"""The learner's process: `python -m kqv.workshop.worker REQUEST EVENTS`, started by kqv alone."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kqv.workshop.catalogue import exercise
from kqv.workshop.learner import answers
from kqv.workshop.process import WHERE, trace_file

LARGEST_FILE = 256 << 20  # bytes
LONGEST = 2 * 3600  # seconds of computing, of all threads together


def main(asked: Path, told: Path) -> None:
    """Do what the request asks, and write each event as a line of JSON."""
    request = json.loads(asked.read_text(encoding="utf-8"))
    path = Path(request["file"])
    with told.open("a", encoding="utf-8") as file, trace_file(told).open("w") as trace:
        faulthandler.enable(trace)
        if WHERE is not None:
            faulthandler.register(WHERE, trace)

        def tell(event: dict[str, Any]) -> None:
            file.write(json.dumps(event, allow_nan=False) + "\n")
            file.flush()

        if request["do"] == "check":
            functions = exercise(request["exercise"]).functions
            tell({"started": True})
            for event in answers(path, functions):
                tell(event)
        else:
            _train(request, path, tell)
        tell({"done": True})


def _limit() -> None:
    """Ask the system for limits that hold for this process and all that it starts: no file is written without end, no
    memory image when it crashes, and no computing long after it should have been stopped."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in (
        (resource.RLIMIT_FSIZE, LARGEST_FILE), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, LONGEST),
    ):  # fmt: skip
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))


def _end_with_parent() -> None:
    """End when the process that started this one is gone, which would have kept the limits."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _train(request: dict[str, Any], path: Path, tell: Callable[[dict[str, Any]], None]) -> None:
    from kqv.workshop.engine import train

    train(request, path, tell)


if __name__ == "__main__":
    _limit()
    _end_with_parent()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
