"""Learning-rate schedules: what share of the learning rate a step uses. Functions of the step, nothing to save."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int], float]


def constant(step: int, steps: int) -> float:
    """1 at every step."""
    return 1.0


def linear(step: int, steps: int) -> float:
    """From 1 at step 0 straight down to 0 at step `steps`."""
    return max(0.0, 1.0 - step / steps)


def cosine(step: int, steps: int) -> float:
    """½·(1 + cos(π·step/steps)): from 1 to 0, slow at both ends (Loshchilov, Hutter 2016, SGDR, eq. (5))."""
    return 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))


SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine}
"""Schedules by name."""


def share(name: str, step: int, steps: int, warm_up: int = 0, floor: float = 0.0) -> float:
    """The share of the learning rate at `step` (from 0): a straight rise over `warm_up` steps, then the schedule
    down to the share `floor`."""
    if step < warm_up:
        return (step + 1) / warm_up
    return floor + (1.0 - floor) * SCHEDULES[name](step - warm_up, max(1, steps - warm_up))
