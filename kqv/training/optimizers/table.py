"""The table of all optimizers: how each is made from a training plan, and what it usually begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from kqv.errors import Error
from kqv.training.optimizers.optimizer import Optimizer


class OptimizerPlan(Protocol):
    """What of a training plan an optimizer is made from."""

    learning_rate: float
    adamw_learning_rate: float | None
    momentum: float
    betas: tuple[float, float]
    weight_decay: float
    l1: float

    @property
    def precision(self) -> str:
        """That of the products in a step."""


@dataclass(frozen=True)
class Entry:
    """An optimizer as recipes know it.

    `make(model, plan)` gives it for all of a model's parameters; `title`: its name in a text; `learning_rate` and
    `momentum`: what it usually has; `beside_adamw`: some parameters learn by AdamW, with `adamw_learning_rate`.
    """

    make: Callable[[nn.Module, OptimizerPlan], Optimizer]
    title: str
    learning_rate: float
    momentum: float = 0.0
    beside_adamw: bool = False


OPTIMIZERS: dict[str, Entry] = {}
"""Optimizers by name; each file of this folder adds its own."""


def optimizer_named(name: str) -> Entry:
    """An optimizer by name; `Error` that lists the names for one that does not exist."""
    if name not in OPTIMIZERS:
        raise Error(f"there is no optimizer {name!r}; choose one of: {', '.join(sorted(OPTIMIZERS))}")
    return OPTIMIZERS[name]
