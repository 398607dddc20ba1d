"""How many threads compute: more than one only costs time where the numbers of a step are few."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

FEW = 1_000_000  # weights times examples of a step


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """One thread inside for a step of so few weights times examples; the number as it was afterwards."""
    before = torch.get_num_threads()
    if work < FEW:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
