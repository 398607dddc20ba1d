"""Records of a run, one JSON object a line: measurements and samples. A line that says nothing sound is passed over."""

from __future__ import annotations

import json
import math
from typing import Any

Line = dict[str, Any]

MOST = 10**12  # no run has so many steps or takes so many seconds: what is larger comes from a damaged line


def measurement(line: str) -> Line | None:
    """A measurement: `step` and other finite numbers by name; None for anything else, as a kill or damage leave it."""
    content = _record(line)
    return content if content is not None and all(_is_number(value) for value in content.values()) else None


def sample(line: str) -> Line | None:
    """What a model wrote: `step` and `text`; None for anything else."""
    content = _record(line)
    return content if content is not None and isinstance(content.get("text"), str) else None


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
