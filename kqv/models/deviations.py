"""How large the first weights of a Transformer are, by name: a normal distribution's deviation for each matrix.

A choice is called with a matrix's name and shape `[out, in]`, the number of blocks, whether the head is tied, and
whether the blocks' parts are added to the stream (residual connections).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from kqv.models.choices import Choices

ADDING = ("projection.weight", "narrow.weight")  # the two maps of a block whose results are added to the stream
SMALL = 0.001  # deviation of a new head of its own: at first all tokens are about equally likely
TABLE = 0.7  # deviation of a new table of tokens that is no head; 0.5 to 1 learn fastest (docs/log.md)

INITIALISATIONS: Choices[Callable[[str, Sequence[int], int, bool, bool], float]] = Choices("initialisation")
"""Initialisations by name."""


@INITIALISATIONS.add("gpt2")
def gpt2(name: str, shape: Sequence[int], blocks: int, tied: bool, adds: bool) -> float:
    """0.02; for the two maps of each block that add to the stream 0.02/√(2·blocks): so many are summed there.

    Radford et al. 2019, section 2.3.
    """
    return 0.02 / math.sqrt(2 * blocks) if adds and name.endswith(ADDING) else 0.02


@INITIALISATIONS.add("zero-projections")
def zero_projections(name: str, shape: Sequence[int], blocks: int, tied: bool, adds: bool) -> float:
    """What each block adds to the stream begins at zero, so that it passes it on as it is (Zhang et al. 2019, Fixup,
    section 3), and a head of its own begins small; the other maps keep their input's size, and what stands for a token
    is about as large as what the blocks will add. Where nothing is added, nothing begins at zero: it would stay."""
    if adds and name.endswith(ADDING):
        return 0.0
    if name == "unembedding.weight":
        return SMALL
    if name.startswith("blocks."):
        return 1 / math.sqrt(shape[1])
    return 0.02 if tied else TABLE


@INITIALISATIONS.add("unit")
def unit(name: str, shape: Sequence[int], blocks: int, tied: bool, adds: bool) -> float:
    """1/√inputs in every map, so that what comes out is about as large as what comes in (LeCun et al. 1998, Efficient
    BackProp, section 4.6), and about so in a table that is a head too: for widths of a few numbers, where 0.02 would
    leave a model near zero for long."""
    return 0.5 if name == "tokens.weight" else 1 / math.sqrt(shape[1])
