"""Training with a learner's passed functions, in a limited process; what it tells is read while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.workshop.checking import WORKER, where_in
from kqv.workshop.exceptions import explain_raised
from kqv.workshop.process import MALFORMED, MIB, Ended, Limits, run

LIMITS = Limits(seconds=300.0, memory=3072 * MIB)
LARGE = Limits(seconds=3600.0, memory=6144 * MIB)
"""For data that is not embedded."""


@dataclass(frozen=True)
class Trained:
    """How well the network reads digits that it never saw."""

    accuracy: float
    right: int
    tested: int
    data: str
    printed: str = ""


def train(
    name: str, file: Path, data: str | None = None, epochs: int | None = None,
    heard: Callable[[dict[str, Any]], None] | None = None, limits: Limits | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Trained:  # fmt: skip
    """Train on `data` (None: the embedded digits) with the learner's functions; `heard` is told every event, and the
    training is stopped when it is no longer `wanted`.

    Raises `Error` where the learner's code fails in the training, or the data cannot be read.
    """
    request = {"do": "train", "exercise": name, "file": str(file.resolve()), "data": data, "epochs": epochs}
    ended = run([WORKER], Path.cwd(), limits or (LIMITS if data is None else LARGE), request, heard, wanted)
    try:
        return _result(ended, file)
    except (LookupError, TypeError, ValueError, AttributeError):  # events that no worker sends
        raise Error(f"the training did not end: {MALFORMED}") from None


def _result(ended: Ended, file: Path) -> Trained:
    told: dict[str, Any] = {}
    for event in ended.events:
        if "error" in event:
            raise Error(event["error"])
        if "raised" in event:
            found = explain_raised(event["raised"])
            raise Error(f"the training stopped: {'. '.join([found.headline, *found.details])}")
        told |= event
    if ended.problem:
        raise Error(". ".join([f"the training did not end: {ended.problem}", *where_in(ended.trace, file)]))
    return Trained(told["accuracy"], told["right"], told["tested"], told["data"], ended.printed)
