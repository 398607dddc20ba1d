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

from kqv.trace.kept import Kept, unseen

if TYPE_CHECKING:
    from kqv.trace.records import TensorRecord

_NAMES = [
    "view", "view_as", "reshape", "reshape_as", "transpose", "swapaxes", "permute", "movedim", "flatten",
    "unflatten", "unsqueeze", "squeeze", "expand", "expand_as", "broadcast_to", "split", "chunk", "unbind",
    "tensor_split", "narrow", "select", "contiguous", "clone", "repeat", "repeat_interleave", "roll", "flip",
    "index_select", "gather", "take_along_dim", "tile", "cat", "concat", "stack", "hstack", "vstack", "t",
    "adjoint", "diagonal",
]  # fmt: skip
_COPIES = [
    "to", "float", "double", "half", "bfloat16", "int", "long", "detach", "type_as", "cpu", "cuda", "alias",
    "clone", "contiguous",
]  # fmt: skip
_SPOKEN = {"__getitem__": "slice", "__get__": "transpose"}


def _functions(names: list[str]) -> set[Callable[..., Any]]:
    found = {getattr(torch, name, None) for name in names} | {getattr(Tensor, name, None) for name in names}
    return {function for function in found if function is not None}


COPIES: set[Callable[..., Any]] = _functions(_COPIES)
"""Functions that leave each element at its place, and may change device and type."""

MOVEMENTS: set[Callable[..., Any]] = (
    _functions(_NAMES)
    | COPIES
    | {Tensor.__getitem__, *(vars(torch._C.TensorBase)[name].__get__ for name in ("T", "mT", "H", "data"))}
)
"""Functions whose every output element is an element of an input."""


def moves(function: Callable[..., Any], sources: list[Tensor], outputs: list[Tensor]) -> bool:
    """Whether this call only moved elements: not where a change of type changed numbers (7.9 to 7, a view as bytes)."""
    if not sources or not outputs:
        return False
    given, found = sources[0].dtype, outputs[0].dtype
    if function in COPIES:
        return found.is_floating_point or not given.is_floating_point
    return found == given or len(sources) > 1


@dataclass
class Movement:
    """One call of a moving function: where each element of its outputs stood in its sources."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    sources: list[TensorRecord]
    outputs: dict[int, TensorRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # what the function was called with, without the tensors that it moved: these are numbered anew
        self.args = _map_tensors(self.args[1:], Kept.of)
        self.kwargs = {name: _map_tensors(value, Kept.of) for name, value in self.kwargs.items()}

    @property
    def name(self) -> str:
        """The function's name: `view`, `split`, …"""
        name = getattr(self.function, "__name__", "view")
        return _SPOKEN.get(name, name)

    @cached_property
    def maps(self) -> list[Tensor]:
        """For each output a tensor of its shape: the place of each element, counted through all sources."""
        with unseen():
            return self._moved_places()

    def _moved_places(self) -> list[Tensor]:
        numbered, start = [], 0
        for source in self.sources:
            stop = start + source.tensor.numel()
            places = torch.arange(start, stop, dtype=torch.int32 if stop < 2**31 else torch.int64)
            numbered.append(places.reshape(source.sizes))
            start = stop
        if self.function in COPIES:
            return numbered
        first: Any = numbered if self._takes_list else numbered[0]
        moved = self.function(
            first, *_map_kept(self.args), **{name: _map_kept(value) for name, value in self.kwargs.items()}
        )
        return list(moved) if isinstance(moved, (tuple, list)) else [moved]

    @property
    def _takes_list(self) -> bool:
        return getattr(self.function, "__name__", "") in {"cat", "concat", "stack", "hstack", "vstack"}

    @cached_property
    def _sorted(self) -> list[tuple[Tensor, Tensor]]:
        """For each output the origins in ascending order, and the output's flat places in that order."""
        with unseen():
            found = [places.reshape(-1).sort() for places in self.maps]
            return [(values, order) for values, order in found]

    def start(self, source: int) -> int:
        """The first place of a source, counted through all sources."""
        return sum(record.tensor.numel() for record in self.sources[:source])

    def locate(self, output: int, index: tuple[int, ...]) -> tuple[TensorRecord, tuple[int, ...]]:
        """Where the element `index` of output number `output` came from: the source and the place in it."""
        with unseen():
            place = int(self.maps[output][index])
        for source in self.sources:
            size = source.tensor.numel()
            if place < size:
                return source, unflatten(place, source.sizes)
            place -= size
        raise IndexError("place lies outside of all sources")

    def destinations(self, source: int, index: tuple[int, ...]) -> list[tuple[TensorRecord, tuple[int, ...]]]:
        """Every output element that is the element `index` of source number `source`."""
        place = self.start(source) + flatten(index, self.sources[source].sizes)
        found: list[tuple[TensorRecord, tuple[int, ...]]] = []
        with unseen():
            for number, record in self.outputs.items():
                values, order = self._sorted[number]
                first, last = torch.searchsorted(values, torch.tensor([place, place + 1], dtype=values.dtype)).tolist()
                found += [(record, unflatten(int(flat), record.sizes)) for flat in order[first:last]]
        return found

    def gradient_of_source(self, source: int, gradients: Mapping[int, Tensor]) -> Tensor:
        """Sum of the outputs' gradients at the places where each element of the source went."""
        start, shape = self.start(source), torch.Size(self.sources[source].sizes)
        given = next(iter(gradients.values()))
        total = torch.zeros(shape.numel(), dtype=given.dtype)
        for number, gradient in gradients.items():
            places = self.maps[number].reshape(-1) - start
            inside = (places >= 0) & (places < shape.numel())
            total.index_add_(0, places[inside], gradient.detach().cpu().reshape(-1)[inside])
        return total.reshape(shape).to(given.device)


def flatten(index: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """The place of an element when a tensor's elements are counted row by row."""
    place = 0
    for at, size in zip(index, sizes, strict=True):
        place = place * size + at
    return place


def unflatten(place: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element at a place counted row by row."""
    index = []
    for size in reversed(sizes):
        place, at = divmod(place, size)
        index.append(at)
    return tuple(reversed(index))


def _map_tensors(item: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same with every tensor in it, also in tuples and lists, changed."""
    if isinstance(item, Tensor):
        return change(item)
    if type(item) in (tuple, list):
        return type(item)(_map_tensors(part, change) for part in item)
    return item


def _map_kept(item: Any) -> Any:
    """The arguments again, with the tensors among them (indices of a selection) read and brought to the CPU."""
    if isinstance(item, Kept):
        return item.read("an index that a selection was made with").cpu()
    if type(item) in (tuple, list):
        return type(item)(_map_kept(part) for part in item)
    return item
