"""Run kqv commands one after the other in this process, and say as JSON what each printed: generate.py asks it.

Commands come as a JSON list on standard input. One process for all, because starting takes longer than most commands.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout

from kqv.cli.main import main


def printed(command: str) -> str:
    """What one command prints on standard error and standard output; stops everything where it fails."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        try:
            main(shlex.split(command)[1:])
        except SystemExit as end:
            status = end.code
    if status:
        raise SystemExit(f"{command} failed:\n{output.getvalue()}")
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines()) + "\n"


if __name__ == "__main__":
    outputs = [printed(command) for command in json.load(sys.stdin)]
    json.dump(outputs, sys.stdout)
