"""The kinds of attacks on processes: each gives what it found, name by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from found import Found
from jobs import stopped_jobs
from kills import kills
from places import places
from stops import stops
from surroundings import surroundings
from together import together

PROCESSES: dict[str, Callable[[Path, int, int, float], Iterator[Found]]] = {
    "kills": kills, "stops": stops, "jobs": stopped_jobs, "places": places,
    "surroundings": surroundings, "together": together,
}  # fmt: skip
"""What takes the folder of materials, how many attacks of each name, the seed, and when no new one begins."""
