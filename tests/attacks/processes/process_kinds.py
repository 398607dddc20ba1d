"""The kinds of attacks on processes: each gives what it found, name by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from found import Found, Plan
from jobs import stopped_jobs
from kills import kills
from places import places
from stops import stops
from surroundings import surroundings
from together import together
from whole import whole

PROCESSES: dict[str, Callable[[Path, Plan], Iterator[Found]]] = {
    "kills": kills, "stops": stops, "jobs": stopped_jobs, "places": places,
    "surroundings": surroundings, "together": together, "whole processes": whole,
}  # fmt: skip
"""What takes the folder of materials and the plan: how much is tried."""
