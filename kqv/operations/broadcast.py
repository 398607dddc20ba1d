"""Repeating a smaller tensor along the axes it lacks, and summing a gradient over the positions of the repetition."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from kqv.arithmetic import Expression, Index, Sum


def unbroadcast(gradient: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum `gradient` over the axes along which an input of `shape` was repeated; the result has `shape`."""
    if gradient.shape == shape:
        return gradient
    missing = gradient.dim() - len(shape)
    if missing:
        gradient = gradient.sum(tuple(range(missing)))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis] != 1)
    return gradient.sum(repeated, keepdim=True) if repeated else gradient


def position_in(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Where the output's element (or slice) `index` comes from in an input of `shape` that is repeated."""
    own = index[len(index) - len(shape) :]
    return tuple(
        0 if size == 1 and not isinstance(position, slice) else position
        for size, position in zip(shape, own, strict=True)
    )


def output_slice(output: tuple[int, ...], shape: tuple[int, ...], index: Index) -> tuple[Any, ...]:
    """All positions of the output that the element `index` of an input of `shape` was repeated to."""
    missing = len(output) - len(shape)
    own = [slice(None) if size == 1 and output[missing + axis] != 1 else index[axis] for axis, size in enumerate(shape)]
    return (*[slice(None)] * missing, *own)


def unbroadcast_sum(elements: Expression) -> Expression:
    """The sum over the positions of the repetition; the element itself where nothing was repeated."""
    return Sum(elements) if elements.shape else elements
