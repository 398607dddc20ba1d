"""Masks: which keys a query may see, by name. A new one is a function here (or in a file of its own) and its test.

A mask is called with how many queries and keys there are, and a device. The last query stands at the last key: with a
cache there are fewer queries than keys. It gives `allowed[query, key]`, or None where every query sees every key.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kqv.models.choices import Choices
from kqv.operations.mask import up_to_own

Mask = Callable[[int, int, torch.device], Tensor | None]

MASKS: Choices[Mask] = Choices("mask")
"""Masks by name."""


@MASKS.add("past")
def past(queries: int, keys: int, device: torch.device) -> Tensor | None:
    """Keys up to the query's own position: nothing is known of what comes later (Vaswani et al. 2017, 3.2.3)."""
    return up_to_own(queries, keys, device)


@MASKS.add("none")
def no_mask(queries: int, keys: int, device: torch.device) -> Tensor | None:
    """All keys, as in an encoder, and of another text."""
    return None
