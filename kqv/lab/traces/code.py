"""Lines of kqv's own source, for the page that shows which line made a number."""

from __future__ import annotations

import ast
import threading
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import kqv
from kqv.errors import TraceError

MOST_LINES = 120
AROUND = 12


@dataclass(frozen=True)
class Excerpt:
    """Some lines of a file: the function that a line belongs to, or the lines around it."""

    file: str
    line: int
    start: int
    lines: list[str]
    function: str

    def as_dict(self) -> dict[str, Any]:
        """The excerpt for JSON."""
        return asdict(self)


def excerpt(file: str, line: int) -> Excerpt:
    """The function that a line of kqv's source belongs to; `TraceError` for any other file, or a line that it lacks.

    A file is looked up among those of the package, never opened by its path, so that no other one can be read.
    """
    path = _files().get(file)
    if path is None:
        raise TraceError(
            f"{file!r} is not a file of kqv's own source; only that is shown, as in kqv/models/attention.py"
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    if not 1 <= line <= len(lines):
        raise TraceError(f"{file} has the lines 1 to {len(lines)}; asked for was {line}")
    start, stop, name = _around(path, line, len(lines))
    return Excerpt(file, line, start, lines[start - 1 : stop], name)


_PARSING = threading.Lock()  # Python 3.11 counts depths wrongly where two threads parse at once


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """Every Python file of the package, by its path from the package on."""
    root = Path(kqv.__file__).parent
    return {f"kqv/{path.relative_to(root).as_posix()}": path for path in root.rglob("*.py")}


def _parsed(path: Path) -> ast.Module:
    with _PARSING:
        return ast.parse(path.read_text(encoding="utf-8"))


def _around(path: Path, line: int, count: int) -> tuple[int, int, str]:
    """First line, last line and name of the function around a line; of a long one the lines nearby."""
    start, stop, name = max(1, line - AROUND), min(count, line + AROUND), ""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            last = node.end_lineno or node.lineno
            is_inside = first <= line <= last
            if is_inside and (isinstance(node, ast.FunctionDef) or line == node.lineno):
                start, stop, name = first, last, node.name  # a walk goes outside in: the last one is the innermost
    if stop - start >= MOST_LINES:
        start, stop = max(start, line - AROUND), min(stop, line + AROUND)
    return start, stop, name
