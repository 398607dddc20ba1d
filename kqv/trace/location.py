"""Where in the code something stands: the file, relative to its package, and the line."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache
from pathlib import PurePath
from types import CodeType
from typing import NamedTuple


class Location(NamedTuple):
    """A line of code: `kqv/models/layers.py:31`."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else ""


NOWHERE = Location()
"""The location of what no line of code made."""

_PASSED_OVER = ("kqv.recording", "kqv.trace", "kqv.operations", "torch", "contextlib", "jaxtyping", "beartype")
_is_passed_over: dict[CodeType, bool] = {}


def caller() -> Location:
    """The line of model code that called an operation, `note`, or a function of PyTorch."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        code = frame.f_code
        passed = _is_passed_over.get(code)
        if passed is None:
            module = frame.f_globals.get("__name__", "")
            passed = _is_passed_over[code] = any(
                module == name or module.startswith(f"{name}.") for name in _PASSED_OVER
            )
        if not passed:
            break
        frame = frame.f_back
    return Location(_relative(frame.f_code.co_filename, frame.f_globals.get("__name__", "")), frame.f_lineno)


@lru_cache(maxsize=4096)
def _relative(file: str, module: str) -> str:
    """The file's path from its package on: `kqv/models/layers.py` for the module `kqv.models.layers`."""
    path = PurePath(file)
    depth = module.count(".") + 1 + (path.stem == "__init__")
    return "/".join(path.parts[-depth:])


def definition(function: object) -> Location:
    """Where a function or method is defined; `NOWHERE` for what is not written in Python."""
    plain = inspect.unwrap(function) if callable(function) else function
    code = getattr(plain, "__code__", None)
    if code is None:
        return NOWHERE
    return Location(_relative(code.co_filename, getattr(plain, "__module__", "")), code.co_firstlineno)
