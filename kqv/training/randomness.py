"""The state of every random generator as tensors and counters, so that a resumed run draws what it would have drawn."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from kqv.errors import ADVICE, RunError
from kqv.training.distributed import ALONE, Group
from kqv.training.plans import Plan


class RandomCounters(Plan):
    """What NumPy's and Python's generators remember beside their numbers."""

    numpy: tuple[Literal["MT19937"], Annotated[int, Field(ge=0, le=624)], int, FiniteFloat]
    python: tuple[int, FiniteFloat | None]


def seed_all(seed: int) -> None:
    """Start every random generator from one seed: PyTorch's, and NumPy's and Python's for code that uses those."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def random_state(device: torch.device, group: Group = ALONE) -> tuple[dict[str, Tensor], RandomCounters]:
    """The states of PyTorch's generators in each process (`torch/0`, `cuda/0`), and of NumPy's and Python's own.

    With several processes all have to call it.
    """
    tensors: dict[str, Tensor] = {}
    for kind, state in _torch_states(device).items():
        tensors |= {f"{kind}/{rank}": own for rank, own in enumerate(group.gather(state))}
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    tensors["numpy"] = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    version, numbers, next_gauss = random.getstate()
    tensors["python"] = torch.tensor(numbers, dtype=torch.int64)
    counters = RandomCounters(
        numpy=("MT19937", int(position), int(has_gauss), float(gauss)), python=(version, next_gauss)
    )
    return tensors, counters


def _torch_states(device: torch.device) -> dict[str, Tensor]:
    states = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_random_state(
    tensors: dict[str, Tensor], counters: RandomCounters, device: torch.device, origin: Path, group: Group = ALONE
) -> None:
    """Put every random generator back to where it was; `RunError` when a state is damaged.

    On another kind of device, or in a process more than there were, PyTorch's generator of it is left as it stands.
    """
    try:
        name, position, has_gauss, gauss = counters.numpy
        np.random.set_state((name, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
        version, next_gauss = counters.python
        random.setstate((version, tuple(tensors["python"].tolist()), next_gauss))
        if "torch/0" not in tensors:
            raise KeyError("torch/0")
        if (state := tensors.get(f"torch/{group.rank}")) is not None:
            torch.set_rng_state(state)
        if device.type == "cuda" and (state := tensors.get(f"cuda/{group.rank}")) is not None:
            torch.cuda.set_rng_state(state, device)
        if device.type == "mps" and (state := tensors.get("mps/0")) is not None:
            torch.mps.set_rng_state(state)
    except (LookupError, ValueError, TypeError, RuntimeError, OverflowError) as failure:
        raise RunError(
            f"{origin} is damaged: its random generators' state is incomplete ({failure}); {ADVICE}"
        ) from None
