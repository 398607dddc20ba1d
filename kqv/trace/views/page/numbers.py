"""A tensor's numbers as the page holds them: float32 in base64, all of a small tensor, a window of a large one."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kqv.arithmetic import Array

Positions = Mapping[int, Sequence[int]]
"""For some axes the positions that are kept, in their order."""


def numbers(tensor: Tensor, elements: int, positions: Positions | None = None) -> dict[str, Any]:
    """A tensor's numbers, at most about `elements`: those at the given positions of some axes, else the first ones.

    `kept`: how many positions of each axis; `at`: which, where they are not the first ones.
    """
    part = tensor.detach()
    chosen = {axis: list(found) for axis, found in (positions or {}).items() if len(found) < tensor.shape[axis]}
    for axis, found in chosen.items():
        part = part.index_select(axis, torch.tensor(found, dtype=torch.int64, device=part.device))
    kept = kept_sizes(tuple(part.shape), elements)
    part = part[tuple(slice(size) for size in kept)] if kept else part
    data = part.to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()
    stored: dict[str, Any] = {"kept": list(kept), "data": base64.b64encode(data).decode("ascii")}
    if chosen:
        stored["at"] = {str(axis): found[: kept[axis]] for axis, found in chosen.items()}
    return stored


def holds(stored: dict[str, Any], sizes: Sequence[int], flat: Array) -> bool:
    """Whether all elements at these flat positions are kept."""
    for axis, positions in enumerate(np.unravel_index(flat, tuple(sizes)) if sizes else ()):
        chosen = stored.get("at", {}).get(str(axis))
        if not np.isin(positions, chosen if chosen is not None else np.arange(stored["kept"][axis])).all():
            return False
    return True


def compact(tensor: Tensor, elements: int, positions: Positions | None = None) -> dict[str, Any]:
    """The same as `numbers`; of a tensor of one number again and again this number alone."""
    flat = tensor.detach().reshape(-1)
    if flat.numel() and bool((flat == flat[0]).all()):
        return {"all": float(flat[0])}
    return numbers(tensor, elements, positions)


def kept_sizes(sizes: tuple[int, ...], elements: int) -> tuple[int, ...]:
    """Sizes of the part that is kept: the longest dimension is shortened until all fits."""
    kept = list(sizes)
    count = 1
    for size in kept:
        count *= size
    while count > elements:
        longest = max(range(len(kept)), key=lambda axis: kept[axis])
        others = count // kept[longest]
        second = max((size for axis, size in enumerate(kept) if axis != longest), default=1)
        kept[longest] = max(1, elements // others, min(second, kept[longest] // 2))
        count = others * kept[longest]
    return tuple(kept)


def cap(sizes: Sequence[int], room: int, most: int, least: int = 64) -> int:
    """The largest number of elements to keep of each tensor so that all of them together fit into the room."""
    low, high = least, max(least, most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(size, middle) for size in sizes) <= room else (low, middle - 1)
    return low
