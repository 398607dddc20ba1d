"""How large a language model, on how much text, a computation is best spent on."""

from __future__ import annotations

import math
from dataclasses import dataclass

TOKENS_PER_PARAMETER = 20
"""Of the model that is best for its computation (Hoffmann et al. 2022, table 3)."""

FLOPS_PER_PARAMETER = 6
"""And token: a multiplication and an addition forward, and two of each backward (Kaplan et al. 2020, section 2.1)."""

REPEATED = 4
"""So often a text can be seen as if it were new (Muennighoff et al. 2023, section 5)."""


@dataclass(frozen=True)
class Spent:
    """The best use of so many floating-point operations: a model of so many parameters, on so many tokens."""

    flops: float
    parameters: float
    tokens: float


def best_use(flops: float) -> Spent:
    """C = 6·N·D with D = 20·N, so N = √(C/120): the model of N parameters and its text of D tokens for C operations.

    Measured on models from 70 million to 16 billion parameters (Hoffmann et al. 2022); below that it is a guide.
    """
    parameters = math.sqrt(flops / (FLOPS_PER_PARAMETER * TOKENS_PER_PARAMETER))
    return Spent(flops, parameters, TOKENS_PER_PARAMETER * parameters)
