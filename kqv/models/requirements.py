"""What every description of a Transformer has to fulfil, so that a model can be made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kqv.errors import Error
from kqv.models.positions import POSITIONS

LARGEST = 2**31 - 1
"""A size; PyTorch counts what two of them make in 64 bits."""


def require_sizes(model: str, sizes: Mapping[str, int | None]) -> None:
    """Raise `Error` unless every size that is given is at least 1; `model`: what it is a size of."""
    given = {name: size for name, size in sizes.items() if size is not None}
    if min(given.values()) < 1:
        got = ", ".join(f"{name} {size}" for name, size in given.items())
        raise Error(f"a {model}'s sizes are all at least 1; got {got}")
    for name, size in given.items():
        if size > LARGEST:
            raise Error(f"a {model}'s sizes are at most {LARGEST:,}; got {name} {shown_size(size)}")


def shown_size(size: int) -> str:
    """A size for a message; of one that nobody would read how long it is."""
    text = str(size)
    return text if len(text) <= 20 else f"of {len(text):,} digits"


def require_numbers(rotary_base: float, epsilon: float, *dropouts: float | None) -> None:
    """Raise `Error` for a base or an epsilon that is not positive, and for a dropout outside of 0 to below 1."""
    if not (0 < rotary_base < math.inf and 0 < epsilon <= 1):
        raise Error(
            f"expected a rotary_base above 0 and an epsilon above 0, of 1 at most; got {rotary_base:g} and {epsilon:g}"
        )
    for probability in dropouts:
        if probability is not None and not 0 <= probability < 1:
            raise Error(f"dropout is a fraction from 0 to below 1; got {probability}")


def require_pairs(positions: str, channels: int) -> None:
    """Raise `Error` where positions turn pairs of channels, and a head has an odd number of them."""
    if POSITIONS[positions].turn is not None and channels % 2:
        raise Error(f"rotary positions turn pairs of channels, and a head has {channels}; choose an even number")


def require_period(positions: str, period: int | None) -> None:
    """Raise `Error` where there is a period, and positions that have none."""
    if period is not None and not POSITIONS[positions].has_period:
        raise Error(f"only periodic positions have a period, not {positions} ones; leave out period {period}")
