"""Records of a run, one JSON object a line: measurements and samples. A line that says nothing sound is passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

Line = dict[str, Any]

LONGEST = 1 << 20  # bytes of a line
MOST = 10**12  # no run has so many steps or takes so many seconds: what is larger comes from a damaged line


def measurement(line: str) -> Line | None:
    """A measurement: `step` and other finite numbers by name; None for anything else, as a kill or damage leave it."""
    content = _record(line)
    return content if content is not None and all(_is_number(value) for value in content.values()) else None


def sample(line: str) -> Line | None:
    """What a model wrote: `step` and `text`; None for anything else."""
    content = _record(line)
    return content if content is not None and isinstance(content.get("text"), str) else None


def records(file: BinaryIO, of: Callable[[str], Line | None]) -> Iterator[Line]:
    """What the lines of an open file say, one after the other; `of`: `measurement` or `sample`."""
    while line := file.readline(LONGEST):
        if line.endswith(b"\n") or len(line) < LONGEST:
            found = of(line.decode("utf-8", errors="replace"))
            if found is not None:
                yield found
            continue
        while line and not line.endswith(b"\n"):  # none of ours is so long
            line = file.readline(LONGEST)


def thinned(lines: Iterator[Line], most: int) -> list[Line]:
    """The lines in order; where more than `most` have the same names, an even selection of these with their last."""
    groups: dict[tuple[str, ...], _Group] = {}
    for number, line in enumerate(lines):
        groups.setdefault(tuple(line), _Group(most)).add(number, line)
    return [
        line for _, line in sorted((pair for group in groups.values() for pair in group.all()), key=lambda it: it[0])
    ]


class _Group:
    """Lines with the same names: every one, then every second, every fourth."""

    def __init__(self, most: int) -> None:
        self.most, self.every, self.seen = most, 1, 0
        self.kept: list[tuple[int, Line]] = []
        self.last: tuple[int, Line] | None = None

    def add(self, number: int, line: Line) -> None:
        if self.seen % self.every == 0:
            self.kept.append((number, line))
            if len(self.kept) > self.most:
                self.kept, self.every = self.kept[::2], 2 * self.every
        self.seen, self.last = self.seen + 1, (number, line)

    def all(self) -> list[tuple[int, Line]]:
        return self.kept if self.last in (None, *self.kept[-1:]) else [*self.kept, self.last]  # type: ignore[list-item]


def written(content: Line) -> str:
    """A record as a line of its file; `ValueError` for a number that is infinite or NaN."""
    return json.dumps(content, allow_nan=False) + "\n"


def _record(line: str) -> Line | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    step, seconds = content.get("step"), content.get("seconds", 0)
    return content if type(step) is int and 0 <= step <= MOST and _is_number(seconds) and 0 <= seconds <= MOST else None


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False
