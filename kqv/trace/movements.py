"""Movements: functions of PyTorch that only move elements, followed as maps from places to places.

A view, slice, expansion, split, join or copy computes nothing: each element of what comes out is one element of what
went in. Which one is found by running the same function over the elements' own place numbers, so no function needs
an index formula of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kqv.trace.records import TensorRecord

_NAMES = """
view view_as reshape reshape_as transpose swapaxes permute movedim flatten unflatten unsqueeze squeeze expand expand_as
broadcast_to split chunk unbind tensor_split narrow select contiguous clone repeat repeat_interleave roll flip
index_select gather take_along_dim tile cat concat stack hstack vstack t adjoint diagonal
""".split()
_COPIES = "to float double half bfloat16 int long detach type_as cpu cuda alias".split()


def _functions(names: list[str]) -> set[Callable[..., Any]]:
    found = {getattr(torch, name, None) for name in names} | {getattr(Tensor, name, None) for name in names}
    return {function for function in found if function is not None}


COPIES: set[Callable[..., Any]] = _functions(_COPIES)
MOVEMENTS: set[Callable[..., Any]] = (
    _functions(_NAMES)
    | COPIES
    | {Tensor.__getitem__, Tensor.T.__get__, Tensor.mT.__get__, Tensor.H.__get__, Tensor.data.__get__}
)


@dataclass
class Movement:
    """One call of a moving function: where each element of its outputs stood in its sources."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    sources: list[TensorRecord]
    outputs: dict[int, TensorRecord] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's name: `view`, `split`, …"""
        name = getattr(self.function, "__name__", "view")
        return {"__getitem__": "slice", "__get__": "transpose"}.get(name, name)

    @cached_property
    def _maps(self) -> list[Tensor]:
        """For each output a tensor of its shape: the place of each element, counted through all sources."""
        numbered, start = [], 0
        for source in self.sources:
            size = source.tensor.numel()
            small = start + size < 2**31
            places = torch.arange(start, start + size, dtype=torch.int32 if small else torch.int64)
            numbered.append(places.reshape(source.tensor.shape))
            start += size
        if self.function in COPIES:
            return numbered
        given = self.args[0]
        first = numbered[0] if isinstance(given, Tensor) else type(given)(numbered)
        moved = self.function(first, *self.args[1:], **self.kwargs)
        return list(moved) if isinstance(moved, (tuple, list)) else [moved]

    def origins(self, output: int) -> Tensor:
        """The place of each element of output number `output`, counted through all sources (`locate` says where)."""
        return self._maps[output]

    def locate(self, place: int) -> tuple[TensorRecord, tuple[int, ...]]:
        """The source and the index that a place counted through all sources stands for."""
        for source in self.sources:
            size = source.tensor.numel()
            if place < size:
                return source, tuple(int(i) for i in torch.unravel_index(torch.tensor(place), source.tensor.shape))
            place -= size
        raise IndexError("place lies outside of all sources")

    def destinations(self, source: int, index: tuple[int, ...]) -> list[tuple[TensorRecord, tuple[int, ...]]]:
        """Every output element that is the element `index` of source number `source`."""
        place = sum(record.tensor.numel() for record in self.sources[:source]) + _flat(index, self.sources[source].tensor.shape)
        return [
            (record, tuple(int(i) for i in found))
            for number, record in self.outputs.items()
            for found in (self._maps[number] == place).nonzero()
        ]

    def gradient_of_source(self, source: int, gradients: Mapping[int, Tensor]) -> Tensor:
        """Sum of the outputs' gradients at the places where each element of the source went."""
        start = sum(record.tensor.numel() for record in self.sources[:source])
        shape = self.sources[source].tensor.shape
        total = torch.zeros(shape.numel(), dtype=next(iter(gradients.values())).dtype)
        for number, gradient in gradients.items():
            places = self._maps[number].reshape(-1) - start
            inside = (places >= 0) & (places < shape.numel())
            total.index_add_(0, places[inside], gradient.detach().cpu().reshape(-1)[inside])
        return total.reshape(shape)


def _flat(index: tuple[int, ...], shape: torch.Size) -> int:
    place = 0
    for at, size in zip(index, shape, strict=True):
        place = place * size + at
    return place
