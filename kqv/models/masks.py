"""Masks: which keys a query may see, by name. A new one is a function here (or in a file of its own) and its test.

A mask is made for a window's size, which only the mask of that name uses. It is called with how many queries and keys
there are, and a device. The last query stands at the last key: with a cache there are fewer queries than keys. It gives
`allowed[query, key]`, or None where every query sees every key.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kqv.models.choices import Choices
from kqv.operations.mask import last_seen, up_to_own

Mask = Callable[[int, int, torch.device], Tensor | None]

MASKS: Choices[Callable[[int], Mask]] = Choices("mask")
"""Masks by name."""


def past(queries: int, keys: int, device: torch.device) -> Tensor | None:
    """Keys up to the query's own position: nothing is known of what comes later (Vaswani et al. 2017, 3.2.3)."""
    return up_to_own(queries, keys, device)


def future(queries: int, keys: int, device: torch.device) -> Tensor | None:
    """Keys from the query's own position on: the lower left is masked in place of the upper right.

    The last query of a text then sees itself alone; each token that is written shows all earlier ones something new.
    """
    return ~up_to_own(queries, keys, device).tril(last_seen(0, queries, keys) - 1)


def no_mask(queries: int, keys: int, device: torch.device) -> Tensor | None:
    """All keys, as in an encoder, and of another text."""
    return None


@MASKS.add("past")
def make_past(window: int) -> Mask:
    """The usual mask, `past`."""
    return past


@MASKS.add("none")
def make_none(window: int) -> Mask:
    """`no_mask`."""
    return no_mask


@MASKS.add("future")
def make_future(window: int) -> Mask:
    """The other half, `future`."""
    return future


@MASKS.add("window")
def make_window(window: int) -> Mask:
    """The query's own position and those before it, `window` in all (Beltagy et al. 2020, Longformer, section 3.1)."""

    def nearest(queries: int, keys: int, device: torch.device) -> Tensor | None:
        allowed = up_to_own(queries, keys, device)
        return allowed & ~allowed.tril(last_seen(0, queries, keys) - window)

    return nearest


def usual_window(context: int) -> int:
    """How many positions a window has unless it is said: a quarter of the context."""
    return max(1, context // 4)


def sees_later(mask: Mask) -> bool:
    """Whether a mask lets a query see what comes after it, asked of the mask itself."""
    allowed = mask(8, 8, torch.device("cpu"))
    return allowed is None or bool(allowed.triu(1).any())


def nothing_to_keep(mask: str) -> str:
    """Why there is no key-value cache with a mask by this name, which lets positions see later ones."""
    return (
        f"with the mask {mask!r} positions see later ones, so nothing of them can be kept in a key-value cache; "
        "recompute the whole text for each token"
    )


def leak_in_words(mask: str) -> str:
    """What becomes of a model that writes and whose positions see later ones."""
    return (
        f"a leak: with the mask {mask!r} each position sees the token that it has to predict, so the loss falls "
        "towards 0, on held-out text too, and means nothing; when it writes, that token is not there, and no text "
        "comes out"
    )
