"""Jinja for templates that somebody else wrote: its sandbox keeps them from Python, and this from time and memory.

Every operation that can make much of little (repeating, joining, filling up to a width, powers) is refused before it
is done where its result could be large, and the lines that a template runs are counted.
"""

from __future__ import annotations

import functools
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.sandbox import ImmutableSandboxedEnvironment

LARGEST = 1 << 24  # bytes, about, of anything that a template makes
ENTRY = 16  # bytes of a list's entry, beside what it is
MOST_LINES = 1_000_000
MOST_SECONDS = 5.0
LARGEST_NUMBER = 1 << 256
_FILE = "<template>"  # how Jinja calls what it compiles
_WIDTH = re.compile(r"\d{7}")
_WITHOUT = ("lipsum",)  # globals that only make nonsense


class TooMuchError(Exception):
    """A template asks for more than any conversation needs."""


def weight(value: Any) -> int:
    """About how many bytes a value has, also deep inside. Raises `TooMuchError` past `LARGEST`."""
    found, left = 1, [value]
    while left:
        one, entries = left.pop(), []
        if isinstance(one, str | bytes):
            found += len(one)
        elif isinstance(one, Mapping):
            entries = [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set):
            entries = list(one)
        found += ENTRY * len(entries)
        left += entries
        if found > LARGEST:
            raise TooMuchError(f"it makes more than {LARGEST:,} bytes")
    return found


def bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function (of Jinja, or a method), refused where its arguments could make much."""

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        require_small((_owner(function), *given, *named.values()))
        return function(*given, **named)

    return call


def _owner(function: Callable[..., Any]) -> Any:
    """What a method is one of, also inside the sandbox's own wrapping of `str.format`."""
    return getattr(getattr(function, "__wrapped__", function), "__self__", None)


def require_small(values: Iterable[Any]) -> None:
    """Raise `TooMuchError` where the sizes of values, multiplied, are past `LARGEST`."""
    product = 1
    for value in values:
        if isinstance(value, int):
            product *= max(1, abs(value))
        elif isinstance(value, str | bytes | list | tuple | set | Mapping):
            product *= weight(value)
            if isinstance(value, str) and _WIDTH.search(value) and ("%" in value or "{" in value):
                raise TooMuchError("it asks for a width of millions")
        if product > LARGEST:
            raise TooMuchError(f"it can make more than {LARGEST:,} bytes")


class _Generator(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for one in node.nodes:
            self.visit(one, frame)
            self.write(", ")
        self.write("))")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which no template takes long or makes much; what it refuses is raised as `TooMuchError`."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))
    code_generator_class = _Generator

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, finalize=_weighed)
        self.filters = {name: bounded(function) for name, function in self.filters.items()}
        for name in _WITHOUT:
            self.globals.pop(name, None)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """An operation of two values."""
        if operator == "**":
            if isinstance(left, int) and isinstance(right, int) and left.bit_length() * max(0, right) > 4096:
                raise TooMuchError("it computes a huge number")
        elif operator == "+" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            require_small((weight(left) + weight(right),)) if operator == "+" else require_small((left, right))
        elif isinstance(left, int) and isinstance(right, int) and max(abs(left), abs(right)) > LARGEST_NUMBER:
            raise TooMuchError("it computes a huge number")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, *given: Any, **named: Any) -> Any:
        """A call of a function or a method."""
        require_small((_owner(function), *given, *named.values()))
        return super().call(context, function, *given, **named)

    def joined(self, parts: tuple[Any, ...]) -> str:
        """`a ~ b`."""
        weight(parts)
        return "".join(map(str, parts))

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """The text of a block or a macro, out of its parts."""
        found = list(parts)
        weight(found)
        return "".join(found)


def _weighed(value: Any) -> Any:
    weight(value)
    return value


def rendered(template: Any, **values: Any) -> str:
    """The text of a template. Raises `TooMuchError`, and whatever else a template can run into."""
    with _counted():
        return "".join(_within(template.generate(**values)))


def _within(pieces: Iterable[str]) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > LARGEST:
            raise TooMuchError(f"it makes more than {LARGEST:,} bytes")
        yield piece


@contextmanager
def _counted() -> Iterator[None]:
    """Count the lines that a template runs in this thread, and its seconds."""
    lines, end = 0, time.monotonic() + MOST_SECONDS

    def count(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != _FILE:
            return None
        lines += 1
        if lines > MOST_LINES or time.monotonic() > end:
            raise TooMuchError("it does not come to an end")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)
