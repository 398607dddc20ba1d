"""Do the steps of a guide one after the other in this process, and say as JSON what each gave: generate.py asks it.

Steps come as a JSON list on standard input, each with its `kind`: a kqv command, Python code, the body of a function
that a learner writes into a file, a file to show, or code of kqv to quote. One process for all, because starting takes
longer than most steps; Python code shares its names from step to step, as in one session.
"""

from __future__ import annotations

import inspect
import io
import json
import pydoc
import shlex
import sys
import textwrap
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from kqv.cli.main import main
from kqv.errors import Error


def captured(work: Callable[[], None]) -> tuple[str, bool]:
    """What some work prints on standard error and standard output, and whether it went well."""
    output, status = io.StringIO(), None
    with redirect_stdout(output), redirect_stderr(output):
        try:
            work()
        except SystemExit as end:
            status = end.code
        except Error as failure:
            status = 1
            sys.stdout.write(f"{type(failure).__module__}.{type(failure).__name__}: {failure}\n")
    lines = output.getvalue().rstrip().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines), not status


def written(path: Path, body: str) -> str:
    """Put a function's body behind its docstring, in place of what stands there."""
    form, quotes, _ = path.read_text(encoding="utf-8").rpartition('    """\n')
    path.write_text(form + quotes + body, encoding="utf-8")
    return body


def quoted(name: str) -> str:
    """The lines of a function or class by its full name."""
    found = pydoc.locate(name)
    if found is None:
        raise SystemExit(f"there is no {name} to quote")
    return textwrap.dedent(inspect.getsource(found))


def done(step: dict[str, Any], names: dict[str, Any]) -> str:
    """What one step gives; stops everything where it fails, or goes well though it is to fail."""
    kind, text = step["kind"], step["text"]
    if kind == "body":
        return written(Path(step["path"]), text)
    if kind == "code":
        return quoted(step["path"])
    if kind == "file":
        return Path(step["path"]).read_text(encoding="utf-8")
    work = (lambda: main(shlex.split(text)[1:])) if kind == "command" else (lambda: exec(text, names))
    output, well = captured(work)
    if well == step["fails"]:
        raise SystemExit(f"{text} {'failed' if step['fails'] is False else 'did not fail'}:\n{output}")
    return output


if __name__ == "__main__":
    session: dict[str, Any] = {}
    outputs = [done(step, session) for step in json.load(sys.stdin)]
    json.dump(outputs, sys.stdout)
