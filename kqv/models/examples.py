"""Training and test data as the textbook's code has it: pairs of columns, checked, and laid together as tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kqv.errors import DimensionError, Error

Array = npt.NDArray[Any]
Pair = tuple[Array, Any]


def column(numbers: Any, name: str, size: int, dimension: str = "in") -> Array:
    """The array if it is a column `[size, 1]`; `DimensionError` that says how a row becomes one."""
    a: Array = np.asarray(numbers)
    if a.shape == (size, 1):
        return a
    expected = f"{name}: expected a column [{dimension}={size}, 1], got "
    if a.shape == (1, size):
        raise DimensionError(f"{expected}a row [1, {dimension}={size}]; turn it with {name}.T or {name}.reshape(-1, 1)")
    if a.shape == (size,):
        raise DimensionError(f"{expected}[{dimension}={size}] without a second axis; make it {name}.reshape(-1, 1)")
    raise DimensionError(f"{expected}an array of shape {list(a.shape)}")


def columns(numbers: Any, name: str, size: int) -> Array:
    """The array if it is columns `[in, batch]` side by side, one or several; else `DimensionError` as `column`."""
    a: Array = np.asarray(numbers)
    return a if a.ndim == 2 and a.shape[0] == size else column(a, name, size)


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples as rows: `x[batch, in]`, the wanted outputs `wanted[batch, class]`, and which class is right,
    `labels[batch]`."""

    x: Tensor
    wanted: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def of(cls, pairs: Iterable[Pair], inputs: int, classes: int, dtype: torch.dtype) -> Examples:
        """Pairs (x, y) with columns x `[in, 1]` and y either a column `[class, 1]` or the right class as a number.

        Raises `DimensionError` for anything else, `Error` where there are none.
        """
        found = list(pairs)
        if not found:
            raise Error("expected examples, pairs (x, y); got none")
        xs, ys = [], []
        for number, pair in enumerate(found):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise Error(f"example {number}: expected a pair (x, y), got {type(pair).__name__}")
            xs.append(column(pair[0], f"x of example {number}", inputs))
            ys.append(_wanted(pair[1], f"y of example {number}", classes))
        x = torch.from_numpy(np.concatenate(xs, axis=1).T).to(dtype).contiguous()
        wanted = torch.from_numpy(np.concatenate(ys, axis=1).T).to(dtype).contiguous()
        return cls(x, wanted, wanted.argmax(1))


def _wanted(y: Any, name: str, classes: int) -> Array:
    """y as a column `[class, 1]`: itself, or a 1 at the position that it names."""
    if np.ndim(y) > 0:
        return column(y, name, classes, "class")
    if int(y) != y or not 0 <= y < classes:
        raise Error(f"{name}: expected a class from 0 to {classes - 1}, got {y}")
    one_hot = np.zeros((classes, 1))
    one_hot[int(y)] = 1.0
    return one_hot
