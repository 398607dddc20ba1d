"""How large the first weights of a Transformer are, by name: a normal distribution's deviation for each matrix.

A choice is called with a matrix's name and shape `[out, in]`, the number of blocks, and whether the head is tied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from kqv.models.choices import Choices

ADDING = ("projection.weight", "narrow.weight")  # the two maps of a block whose results are added to the stream
SMALL = 0.001  # deviation of a new head of its own: at first all tokens are about equally likely
TABLE = 0.7  # deviation of a new table of tokens that is no head; 0.5 to 1 learn fastest (docs/log.md)

INITIALISATIONS: Choices[Callable[[str, Sequence[int], int, bool], float]] = Choices("initialisation")
"""Initialisations by name."""


@INITIALISATIONS.add("gpt2")
def gpt2(name: str, shape: Sequence[int], blocks: int, tied: bool) -> float:
    """0.02; for the two maps of each block that add to the stream 0.02/√(2·blocks): so many are summed there.

    Radford et al. 2019, section 2.3.
    """
    return 0.02 / math.sqrt(2 * blocks) if name.endswith(ADDING) else 0.02


@INITIALISATIONS.add("zero-projections")
def zero_projections(name: str, shape: Sequence[int], blocks: int, tied: bool) -> float:
    """What each block adds to the stream begins at zero, so that it passes it on as it is (Zhang et al. 2019, Fixup,
    section 3), and a head of its own begins small; the other maps keep their input's size, and what stands for a token
    is about as large as what the blocks will add."""
    if name.endswith(ADDING):
        return 0.0
    if name == "unembedding.weight":
        return SMALL
    if name.startswith("blocks."):
        return 1 / math.sqrt(shape[1])
    return 0.02 if tied else TABLE
