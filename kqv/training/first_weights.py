"""First weights: drawn one after another, as models draw them, or each parameter by its own name.

One after another, a parameter more moves all numbers that are drawn after it: two models that differ in one part begin
with other weights everywhere, and so does their dropout. Drawn by name, parameters of equal name and shape, whose
initialisation is the same, begin equal; where the initialisation differs, the same numbers are scaled otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kqv.training.batches import generator, seed_of
from kqv.training.plans import TrainingPlan
from kqv.training.randomness import seed_all

Model = TypeVar("Model", bound=nn.Module)

_DRAWING = (Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)
_SETTING = (Tensor.fill_, Tensor.zero_, Tensor.copy_, nn.init.constant_)


def with_first_weights(make: Callable[[], Model], plan: TrainingPlan) -> Model:
    """The model that `make` gives, with first weights from the plan's seed; the random generators are seeded here for
    all that follows, such as dropout."""
    seed_all(plan.seed)
    if plan.first_weights == "in-order":
        return make()
    with _Watched() as watched:
        model = make()
    _draw_again(model, watched.calls, plan.seed)
    seed_all(seed_of(plan.seed, "after the first weights", 0))  # whatever was drawn, dropout draws the same from here
    return model


@dataclass(frozen=True, eq=False)
class _Call:
    """A call that gave a tensor, or a part of one, its numbers."""

    function: Callable[..., Any]
    tensor: Tensor
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class _Watched(TorchFunctionMode):
    """Remembers, while a model is made, what gave its parameters their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = {name: value for name, value in (kwargs or {}).items() if name != "generator"}
        if func in _DRAWING or func in _SETTING:
            tensor, *others = args or (options.pop("tensor"),)
            self.calls.append(_Call(func, tensor, tuple(others), options))
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def _draw_again(model: nn.Module, calls: list[_Call], seed: int) -> None:
    """Make the calls once more in their order, each parameter's with random numbers of its own name. Maps that are one
    tensor, such as queries, keys and values, are drawn each by itself, as they were."""
    by_storage: dict[int, list[_Call]] = {}
    for call in calls:
        by_storage.setdefault(call.tensor.untyped_storage().data_ptr(), []).append(call)
    for name, parameter in model.named_parameters():
        for call in by_storage.get(parameter.untyped_storage().data_ptr(), []):
            random = generator(seed, f"first weights of {name}", int(call.tensor.storage_offset()))
            options = {**call.options, "generator": random} if call.function in _DRAWING else call.options
            call.function(call.tensor, *call.arguments, **options)
