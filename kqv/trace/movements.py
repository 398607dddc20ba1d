"""Movements: functions of PyTorch that only move elements, followed as maps from positions to positions.

A view, slice, expansion, split, join or copy computes nothing: each element of what comes out is one element of what
went in. Which one is found by running the same function over the elements' own position numbers, so no function needs
an index formula of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from kqv.arithmetic import Array, Index
from kqv.recording import unseen
from kqv.trace.cells import flatten, unflatten
from kqv.trace.kept import Kept
from kqv.trace.location import Location
from kqv.trace.records import Producer, TensorRecord

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
"""Functions that leave each element at its position, and may change device and type."""

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
class Movement(Producer):
    """One call of a moving function (`view`, `split`, …): where each element of its outputs stood in its sources."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    sources: list[TensorRecord]
    path: str
    location: Location
    outputs: dict[int, TensorRecord] = field(default_factory=dict)

    moves = True

    def __post_init__(self) -> None:
        name = getattr(self.function, "__name__", "view")
        self.name, self.formula = _SPOKEN.get(name, name), ""
        # what the function was called with, without the tensors that it moved: these are numbered anew
        self.args = _map_tensors(self.args[1:], Kept.of)
        self.kwargs = {name: _map_tensors(value, Kept.of) for name, value in self.kwargs.items()}

    @cached_property
    def maps(self) -> list[Tensor]:
        """For each output a tensor of its shape: the position of each element, counted through all sources."""
        with unseen():
            return self._moved_positions()

    def _moved_positions(self) -> list[Tensor]:
        numbered, start = [], 0
        for source in self.sources:
            stop = start + source.tensor.numel()
            positions = torch.arange(start, stop, dtype=torch.int32 if stop < 2**31 else torch.int64)
            numbered.append(positions.reshape(source.sizes))
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
        """For each output the origins in ascending order, and the output's flat positions in that order."""
        with unseen():
            found = [positions.reshape(-1).sort() for positions in self.maps]
            return [(values, order) for values, order in found]

    def start(self, source: int) -> int:
        """The first position of a source, counted through all sources."""
        return sum(record.tensor.numel() for record in self.sources[:source])

    def made(self) -> Sequence[TensorRecord]:
        return tuple(self.outputs.values())

    def moved_from(self) -> Sequence[TensorRecord]:
        return self.sources

    def origin(self, output: int, index: Index) -> tuple[TensorRecord, Index]:
        with unseen():
            position = int(self.maps[output][index])
        for source in self.sources:
            size = source.tensor.numel()
            if position < size:
                return source, unflatten(position, source.sizes)
            position -= size
        raise IndexError("position lies outside of all sources")

    def origins(self, output: int, positions: Array) -> Iterator[tuple[TensorRecord, Array]]:
        with unseen():
            found = self.maps[output].reshape(-1)[torch.as_tensor(positions)].numpy()
        for number, source in enumerate(self.sources):
            start = self.start(number)
            own = found[(found >= start) & (found < start + source.tensor.numel())] - start
            if own.size:
                yield source, own

    def destinations(self, source: int, index: tuple[int, ...]) -> list[tuple[TensorRecord, tuple[int, ...]]]:
        """Every output element that is the element `index` of source number `source`."""
        position = self.start(source) + flatten(index, self.sources[source].sizes)
        found: list[tuple[TensorRecord, tuple[int, ...]]] = []
        with unseen():
            for number, record in self.outputs.items():
                values, order = self._sorted[number]
                first, last = torch.searchsorted(
                    values, torch.tensor([position, position + 1], dtype=values.dtype)
                ).tolist()
                found += [(record, unflatten(int(flat), record.sizes)) for flat in order[first:last]]
        return found

    def input_gradient(self, position: int) -> Tensor | None:
        gradients = {number: record.gradient for number, record in self.outputs.items()}
        known = {number: gradient for number, gradient in gradients.items() if gradient is not None}
        return self._gathered(position, known) if known else None

    def _gathered(self, source: int, gradients: Mapping[int, Tensor]) -> Tensor:
        """Sum of the outputs' gradients at the positions where each element of the source went."""
        start, shape = self.start(source), torch.Size(self.sources[source].sizes)
        given = next(iter(gradients.values()))
        total = torch.zeros(shape.numel(), dtype=given.dtype)
        for number, gradient in gradients.items():
            positions = self.maps[number].reshape(-1) - start
            inside = (positions >= 0) & (positions < shape.numel())
            total.index_add_(0, positions[inside], gradient.detach().cpu().reshape(-1)[inside])
        return total.reshape(shape).to(given.device)


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
