"""A part of a large tensor: ranges along its dimensions, and the same in fewer numbers as an overview."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kqv.errors import TraceError
from kqv.recording import unseen

MOST_NUMBERS = 4_000_000
"""As many numbers one answer holds at most."""

Reduction = Literal["mean", "largest"]


@dataclass(frozen=True)
class Window:
    """For each axis from where to where; `blocks` says how many numbers in a row become one along each axis."""

    ranges: tuple[tuple[int, int], ...]
    blocks: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of what is cut out, after the reduction."""
        return tuple(
            math.ceil((stop - start) / block) for (start, stop), block in zip(self.ranges, self.blocks, strict=True)
        )


def read_window(text: str, blocks: str, name: str, dimensions: Sequence[str], sizes: Sequence[int]) -> Window:
    """The window that a text means: `batch=0, head=2, query=0:64`, or `0, 2, 0:64` in the tensor's order.

    `#1=0:64` is the second axis, also where nobody named it. An axis that does not come is taken whole. `blocks` says
    in the same way how many numbers become one: `query=8, key=8`. Raises `TraceError` for what does not fit the tensor.
    """
    ranges = [(0, size) for size in sizes]
    for axis, value in _items(text, name, dimensions, sizes):
        ranges[axis] = _range(value, sizes[axis], name)
    steps = [1] * len(sizes)
    for axis, value in _items(blocks, name, dimensions, sizes):
        if not value.isdecimal() or whole(value) < 1:
            raise TraceError(f"cannot read the block {value!r} of {name}; expected a whole number from 1 on")
        steps[axis] = min(whole(value), max(1, sizes[axis]))  # more would be filled up with what is not there
    window = Window(tuple(ranges), tuple(steps))
    if math.prod(window.sizes) > MOST_NUMBERS:
        raise TraceError(
            f"{math.prod(window.sizes):,} numbers of {name} are more than one answer holds ({MOST_NUMBERS:,}); "
            "ask for a smaller window, or for blocks"
        )
    return window


def _items(text: str, name: str, dimensions: Sequence[str], sizes: Sequence[int]) -> list[tuple[int, str]]:
    """The axis and the value of each item of a comma-separated text."""
    found = []
    for position, item in enumerate(part for part in text.split(",") if part.strip()):
        dimension, equals, value = (part.strip() for part in item.partition("="))
        axis = _axis(dimension, name, dimensions) if equals else position
        if axis >= len(sizes):
            raise TraceError(f"{name} has {len(sizes)} axes, but {text!r} names more")
        found.append((axis, value if equals else dimension))
    return found


def _axis(dimension: str, name: str, dimensions: Sequence[str]) -> int:
    """The axis that a dimension's name means, or `#1`, the second one."""
    if dimension.startswith("#") and dimension[1:].isdecimal():
        return whole(dimension[1:])
    if dimension not in dimensions:
        known = ", ".join(dimensions) or "none that has a name"
        raise TraceError(f"{name} has no dimension {dimension!r}; it has: {known}")
    return list(dimensions).index(dimension)


def _range(text: str, size: int, name: str) -> tuple[int, int]:
    """`3` is from 3 to 4, `3:7` from 3 to 7, `:` everything; cut at the axis's end."""
    start, colon, stop = (part.strip() for part in text.partition(":"))
    if any(part and not part.isdecimal() for part in (start, stop)) or not (start or colon):
        raise TraceError(f"cannot read the range {text!r} of {name}; expected 3, 3:7 or :")
    first = whole(start or "0")
    last = min(whole(stop or str(size)), size) if colon else first + 1
    if not (0 <= first < last <= size or (size == 0 and colon)):
        raise TraceError(f"the range {text!r} of {name} holds nothing: the axis has the size {size}")
    return first, last


def whole(digits: str) -> int:
    """A number by its digits; of more than anything here has, the largest that is needed."""
    return int(digits) if len(digits) < 19 else sys.maxsize


def cut(tensor: Tensor, window: Window, reduction: Reduction = "largest") -> Tensor:
    """The numbers of a window in float32; where a block is more than one number, the mean of those that are finite, or
    the one that is farthest from 0 (with its sign)."""
    with unseen():
        found = tensor.detach()[tuple(slice(*part) for part in window.ranges)].to("cpu", torch.float32)
        for axis, block in enumerate(window.blocks):
            if block > 1 and found.numel():
                found = _reduced(found, axis, block, reduction)
        return found.contiguous()


def _reduced(numbers: Tensor, axis: int, block: int, reduction: Reduction) -> Tensor:
    """One axis in blocks; the last block may hold fewer. A block without any finite number keeps its first one."""
    parts = numbers.movedim(axis, -1)
    padded = torch.nn.functional.pad(parts, (0, -parts.shape[-1] % block), value=torch.nan)
    padded = padded.reshape(*parts.shape[:-1], -1, block)
    finite = padded.isfinite()
    if reduction == "mean":
        reduced: Tensor = padded.where(finite, torch.zeros(())).sum(-1) / finite.sum(-1).clamp(min=1)
    else:
        at = padded.abs().where(finite, torch.full((), -1.0)).argmax(-1, keepdim=True)
        reduced = padded.gather(-1, at)[..., 0]
    found: Tensor = torch.where(finite.any(-1), reduced, padded[..., 0]).movedim(-1, axis)
    return found
