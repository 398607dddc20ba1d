"""What a run measured, read while it grows: the newest numbers from the file's end, curves piece by piece."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from kqv.files.reading import open_regular
from kqv.training.lines import Line, measurement

MOST = 1000
"""Points of one curve that are kept; where there are more, every second one."""

TAIL = 1 << 14  # bytes at the end of the file that say how a run stands
PIECE = 1 << 20  # bytes that are read at once
LONGEST = 1 << 16  # bytes of a line; a longer one is none of ours
NOT_CURVES = ("step", "seconds")


@dataclass
class Points:
    """One measurement by step, thinned out evenly; the last one is always there."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    every: int = 1
    seen: int = 0
    last: tuple[int, float] | None = None

    def add(self, step: int, value: float) -> None:
        """Take the next one."""
        if self.seen % self.every == 0:
            self.steps.append(step)
            self.values.append(value)
            if len(self.steps) > MOST:
                self.steps, self.values, self.every = self.steps[::2], self.values[::2], 2 * self.every
        self.seen += 1
        self.last = (step, value)

    def all(self) -> tuple[list[int], list[float]]:
        """Steps and values, the last one included."""
        if self.last is None or self.steps[-1:] == [self.last[0]]:
            return self.steps, self.values
        return [*self.steps, self.last[0]], [*self.values, self.last[1]]


class GrowingCurves:
    """The curves of a `metrics.jsonl`; each `read` takes what was added. A file that was cut is read anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.curves: dict[str, Points] = {}
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""

    def read(self) -> None:
        """Take what was written since."""
        try:
            with open_regular(self.path) as file:
                facts = os.fstat(file.fileno())
                identity = (facts.st_dev, facts.st_ino)
                if identity != self._identity or facts.st_size < self._offset:
                    self.curves, self._offset, self._rest, self._identity = {}, 0, b"", identity
                file.seek(self._offset)
                while piece := file.read(PIECE):
                    self._offset += len(piece)
                    self._take(piece)
        except OSError:
            return  # it is not there yet, or was removed

    def _take(self, piece: bytes) -> None:
        *lines, rest = (self._rest + piece).split(b"\n")
        self._rest = rest if len(rest) <= LONGEST else b""
        for line in lines:
            found = measurement(line.decode("utf-8", errors="replace"))
            for name, value in (found or {}).items():
                if name not in NOT_CURVES:
                    assert found is not None
                    self.curves.setdefault(name, Points()).add(found["step"], float(value))


@dataclass(frozen=True)
class Newest:
    """The last numbers of a run by name, its step and seconds, and how many steps it makes in a second now."""

    step: int
    seconds: float
    numbers: dict[str, float]
    steps_per_second: float | None


def newest(path: Path) -> Newest:
    """What stands at the end of a `metrics.jsonl`."""
    lines = _last_lines(path)
    numbers: dict[str, float] = {}
    for line in lines:
        numbers |= {name: float(value) for name, value in line.items() if name not in NOT_CURVES}
    if not lines:
        return Newest(0, 0.0, {}, None)
    last = lines[-1]
    return Newest(last["step"], float(last.get("seconds", 0.0)), numbers, _speed(lines))


def _speed(lines: list[Line]) -> float | None:
    """Steps a second over the last ten seconds or so that were measured."""
    timed: deque[tuple[int, float]] = deque(
        (line["step"], float(line["seconds"])) for line in lines if "seconds" in line
    )
    while len(timed) > 2 and timed[-1][1] - timed[1][1] > 10:
        timed.popleft()
    if len(timed) < 2 or timed[-1][1] <= timed[0][1] or timed[-1][0] <= timed[0][0]:
        return timed[-1][0] / timed[-1][1] if timed and timed[-1][1] > 0 else None
    return (timed[-1][0] - timed[0][0]) / (timed[-1][1] - timed[0][1])


def _last_lines(path: Path) -> list[Line]:
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            text = file.read(TAIL).decode("utf-8", errors="replace")
    except OSError:
        return []
    return [found for line in text.splitlines() if (found := measurement(line)) is not None]
