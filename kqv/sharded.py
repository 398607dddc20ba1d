"""Tensors of which each process has some rows (PyTorch's DTensor, as FSDP2 makes them of a model's parameters).

Here they are told from others by what they have, since importing them takes a second.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Whether each process has only some of its rows."""
    return hasattr(tensor, "device_mesh")


def own_rows(tensor: Tensor) -> Tensor:
    """This process's rows, in the same memory; of any other tensor the tensor itself."""
    if not is_sharded(tensor):
        return tensor
    with torch.no_grad():
        found: Tensor = tensor.to_local()  # type: ignore[attr-defined]
    return found


def whole(tensor: Tensor) -> Tensor:
    """All rows, from all processes, which have to ask together; of any other tensor the tensor itself."""
    if not is_sharded(tensor):
        return tensor
    found: Tensor = tensor.full_tensor()  # type: ignore[attr-defined]
    return found


def rows_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Of a whole tensor the rows that this process has of `like`; the tensor itself where `like` is whole."""
    if not is_sharded(like):
        return tensor
    mesh: Any = like.device_mesh  # type: ignore[attr-defined]
    each = -(-tensor.shape[0] // mesh.size())
    return tensor[mesh.get_local_rank() * each :][: own_rows(like).shape[0]]


def sharded_like(rows: Tensor, like: Tensor) -> Tensor:
    """This process's rows as a tensor that knows of all, as `like` does; the tensor itself where `like` is whole."""
    if not is_sharded(like):
        return rows
    kind: Any = type(like.detach())
    found: Tensor = kind.from_local(
        rows, like.device_mesh, like.placements, run_check=False,  # type: ignore[attr-defined]
        shape=like.shape, stride=like.stride(),
    )  # fmt: skip
    return found
