"""How much of a kind of attacks is tried, name by name, and what was found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

UNTIL_ONE = 5  # rounds that a name gets for its first attack, whatever the time


@dataclass
class Found:
    """How many attacks of a name were tried, and of those that fell, each in a line."""

    name: str
    tried: int = 0
    fell: list[str] = field(default_factory=list)


@dataclass
class Turn:
    """A name, until its number of attacks is reached or its time is over; it gets one attack in any case."""

    name: str
    found: Found
    chance: Random
    most: int
    until: float
    rounds: int = 0

    def goes_on(self) -> bool:
        """Whether there is to be another round."""
        self.rounds += 1
        if self.found.tried >= self.most:
            return False
        return time.monotonic() < self.until or (not self.found.tried and self.rounds <= UNTIL_ONE)


@dataclass
class Plan:
    """So many `attacks` of each name, and none that begins after the `end`, by the clock `time.monotonic`.

    `names`: so many of each kind, drawn by the seed; None: all. `left_out`: the others, of the kinds so far.
    """

    attacks: int
    seed: int
    end: float
    names: int | None = None
    left_out: list[str] = field(default_factory=list)

    def turns(self, kind: str, every: Iterable[str], title: str = "{}") -> Iterator[Turn]:
        """The names of a kind in turn, each with its part of the time; `title` is what its row is called."""
        names = list(every)
        chosen = (
            names if self.names is None else Random(f"{self.seed} {kind}").sample(names, min(self.names, len(names)))
        )
        self.left_out += [title.format(name) for name in names if name not in chosen]
        for done, name in enumerate(chosen):
            now = time.monotonic()
            until = now + (self.end - now) / (len(chosen) - done)
            yield Turn(name, Found(title.format(name)), Random(f"{self.seed} {name}"), self.attacks, until)
