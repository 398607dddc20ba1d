"""Writing: a model that continues a text or translates it, and tells of each token as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kqv.generation.sampling import Candidate, Sampling


@dataclass(frozen=True)
class Writing:
    """How a text is written: up to so many `tokens`, how each is chosen, from which `seed`."""

    tokens: int = 100
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 1


@dataclass(frozen=True)
class Written:
    """What is new: `added` goes to the end of the text so far, unless `text` takes its place, as in a search that
    prefers another translation now.

    `token`: the id that was chosen, with its `candidates`, where tokens are chosen one by one. `end`: why the text
    ends here.
    """

    added: str = ""
    text: str | None = None
    token: int | None = None
    candidates: tuple[Candidate, ...] = ()
    end: str | None = None


Tell = Callable[[Written], None]
"""Is told of each token; what it raises ends the writing."""
