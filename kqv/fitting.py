"""A model made for a file's tensors: sizes that a damaged configuration claims are refused before memory is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from kqv.errors import ADVICE, RunError
from kqv.tensors import Tensors, put_weights

Model = TypeVar("Model", bound=nn.Module)

SPARE = 1 << 22
"""Numbers beyond the file's that making a model may take, such as a table of waves."""

_MAKING = (torch.empty, torch.zeros, torch.ones, torch.full, torch.randn, torch.rand)


class _BeyondError(Exception):
    """More was asked for than the file has."""


def fitted(make: Callable[[], Model], tensors: Tensors, origin: str, described: Path) -> Model:
    """The model that `make` makes, in evaluation mode, with a file's tensors as its weights.

    `origin`: what errors call the file; `described`: the file with the model's sizes. Raises `RunError` for sizes that
    the tensors do not have, before the memory for them is taken, and as `kqv.tensors.put_weights`.
    """
    with fitting(tensors, origin, described):
        model = make()
    put_weights(model, tensors, origin)
    return model.eval()


@contextmanager
def fitting(tensors: Mapping[str, Tensor], origin: str, described: Path, spare: int = SPARE) -> Iterator[None]:
    """Inside the `with`, no model can be made that is larger than these tensors; `RunError` as `fitted`. `spare`: so
    many more numbers something else that is made there may have."""
    most = max(sum(tensor.numel() for tensor in tensors.values()), 1)
    counted = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal counted
        counted += parameter is not None
        if counted > 4 * len(tensors) + 64:  # wrapping a parameter, or giving it a second name, counts again
            raise _BeyondError

    hook = register_module_parameter_registration_hook(count)
    try:
        with _Bounded(most + spare):
            yield
    except (_BeyondError, OverflowError):
        raise RunError(
            f"{described} speaks of a larger model than {origin} has tensors of: one of them is damaged, or of another"
            f" run; {ADVICE}"
        ) from None
    finally:
        hook.remove()


class _Bounded(TorchFunctionMode):
    """No tensor can be made that has more numbers than `most`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if function in _MAKING and _count(args, options) > self.most:
            raise _BeyondError
        return function(*args, **options)


def _count(args: tuple[Any, ...], options: Mapping[str, Any]) -> int:
    """How many numbers a call that makes a tensor asks for."""
    size = options.get("size", args)
    if len(size) and not isinstance(size[0], int):
        size = size[0]
    return math.prod(one for one in size if isinstance(one, int))
