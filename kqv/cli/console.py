"""Where commands print: one console for results (standard output), one for progress and notices (standard error)."""

from __future__ import annotations

import os
import sys

from rich.console import Console

IS_FIRST = os.environ.get("RANK", "0") == "0"
"""False in all but the first of the processes that torchrun started: those print nothing."""

PIPE_COLUMNS = 200  # rich takes a pipe for 80 columns wide, and would cut tables that nobody asked to be narrow


def _width(terminal: bool) -> int | None:
    return None if terminal or "COLUMNS" in os.environ else PIPE_COLUMNS


console = Console(highlight=False, soft_wrap=True, quiet=not IS_FIRST, width=_width(sys.stdout.isatty()))
notices = Console(stderr=True, highlight=False, soft_wrap=True, quiet=not IS_FIRST, width=_width(sys.stderr.isatty()))
