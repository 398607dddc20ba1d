"""Learning-rate schedules: what share of the learning rate a step uses. Functions of the step, nothing to save."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int, int, float], float]
"""The share at a step of so many, both counted from the end of the warm-up; how many steps that had; and the share of
the steps in which a trapezoid falls."""


def constant(step: int, steps: int, warm_up: int, decay: float) -> float:
    """1 at every step."""
    return 1.0


def linear(step: int, steps: int, warm_up: int, decay: float) -> float:
    """From 1 at step 0 straight down to 0 at step `steps`."""
    return max(0.0, 1.0 - step / steps)


def cosine(step: int, steps: int, warm_up: int, decay: float) -> float:
    """½·(1 + cos(π·step/steps)): from 1 to 0, slow at both ends (Loshchilov, Hutter 2016, SGDR, eq. (5))."""
    return 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))


def trapezoid(step: int, steps: int, warm_up: int, decay: float) -> float:
    """1, and over the last `decay`·steps straight down to 0: with the warm-up before it a trapezoid.

    Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", section 3.
    """
    return max(0.0, min(1.0, (steps - step) / max(1.0, decay * steps)))


def inverse_square_root(step: int, steps: int, warm_up: int, decay: float) -> float:
    """√(warm_up/(n + 1)) at the step n = warm_up + step of the whole run: after the straight rise over the warm-up the
    paper's rule, min((n + 1)/warm_up, √(warm_up/(n + 1))). It never reaches 0, and longer runs begin alike.

    Vaswani et al. 2017, section 5.3, eq. (3), whose peak √(1/(width·warm_up)) is here the learning rate.
    """
    return math.sqrt(max(1, warm_up) / (warm_up + step + 1))


SCHEDULES: dict[str, Schedule] = {
    "constant": constant, "linear": linear, "cosine": cosine, "trapezoid": trapezoid,
    "inverse-square-root": inverse_square_root,
}  # fmt: skip
"""Schedules by name."""


def share(name: str, step: int, steps: int, warm_up: int = 0, floor: float = 0.0, decay: float = 0.2) -> float:
    """The share of the learning rate at `step` (from 0): a straight rise over `warm_up` steps, then the schedule
    down to the share `floor`; a trapezoid falls over the last `decay` of all steps."""
    if step < warm_up:
        return (step + 1) / warm_up
    left = max(1, steps - warm_up)
    return floor + (1.0 - floor) * SCHEDULES[name](step - warm_up, left, warm_up, min(1.0, decay * steps / left))
