"""The tensors of a pass by their shapes: names, dimensions and sizes, and how many numbers they have; no values.

A model made on PyTorch's meta device has shapes and no numbers, so a trace of it takes no memory, however large it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kqv.trace.location import Location
from kqv.trace.records import Kind, TensorRecord
from kqv.trace.trace import Trace

_BLOCK = re.compile(r"((?:[A-Za-z_]\w*\.)+\d+)(?:\.|$)")


@dataclass(frozen=True)
class Shape:
    """One tensor: its `module`, `name`, `dimensions` (none where nobody named them), `sizes` and `kind`.

    `origin`: the operation, the function of PyTorch, or `given`; with its `formula` and line of code. `moved`: its
    numbers are those of others, in another order. `symbol`: what the book calls it.
    """

    module: str
    name: str
    dimensions: tuple[str, ...]
    sizes: tuple[int, ...]
    kind: Kind
    origin: str
    formula: str
    location: Location
    symbol: str
    moved: bool

    @classmethod
    def of(cls, record: TensorRecord) -> Shape:
        """The shape of a recorded tensor."""
        dimensions = record.dimensions if len(record.dimensions) == len(record.sizes) else ()
        moved = record.producer is not None and record.producer.moves
        return cls(
            record.path, record.name, dimensions, record.sizes, record.kind, record.origin, record.formula,
            record.location, record.symbol, moved,
        )  # fmt: skip

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.sizes)

    @property
    def block(self) -> str:
        """The block or layer that it is in, such as `encoder.blocks.2`; `""` outside of all."""
        found = _BLOCK.match(self.name)
        return found[1] if found else ""


@dataclass(frozen=True)
class Shapes:
    """All tensors of a pass, weights first, then in the order in which they were computed.

    `folded`: for each block that has the shapes of an earlier one, that earlier one.
    """

    tensors: tuple[Shape, ...]
    folded: dict[str, str]

    def of(self, *kinds: Kind) -> list[Shape]:
        """Those of some kinds."""
        return [shape for shape in self.tensors if shape.kind in kinds]

    @property
    def parameters(self) -> int:
        """How many parameters there are."""
        return _total(self.of("parameter"))

    @property
    def activations(self) -> int:
        """How many numbers the pass computes, each once: what only stands elsewhere in another order is not counted."""
        return _total(shape for shape in self.of("activation") if not shape.moved)

    def parts(self) -> dict[str, tuple[int, int]]:
        """Parameters and activations of each part of the model; parts of the same name in several blocks are added up.

        Of `blocks.3.attention.scores` the part is `blocks attention`, of `tokens.weight` `tokens`.
        """
        found: dict[str, tuple[int, int]] = {}
        for shape in self.tensors:
            if shape.kind == "buffer" or shape.moved:
                continue
            parameters, activations = found.get(part_of(shape), (0, 0))
            if shape.kind == "parameter":
                found[part_of(shape)] = (parameters + shape.numbers, activations)
            else:
                found[part_of(shape)] = (parameters, activations + shape.numbers)
        return found


def shapes_of(trace: Trace) -> Shapes:
    """The shapes of a trace, whether its numbers are there or not."""
    shapes = tuple(Shape.of(record) for record in trace.tensors)
    return Shapes(shapes, _alike(shapes))


def _alike(shapes: Iterable[Shape]) -> dict[str, str]:
    """For each block that has the tensors of an earlier one, by names, dimensions and sizes, that earlier one."""
    content: dict[str, list[object]] = {}
    for shape in shapes:
        if block := shape.block:
            own = shape.name[len(block) :]
            content.setdefault(block, []).append((own, shape.dimensions, shape.sizes, shape.kind, shape.moved))
    first: dict[str, str] = {}
    found = {}
    for block, tensors in content.items():
        stands = first.setdefault(f"{block.rpartition('.')[0]} {tensors}", block)
        if stands != block:
            found[block] = stands
    return found


def part_of(shape: Shape) -> str:
    """The part of the model that a tensor is in, without the numbers of blocks and layers."""
    parts = [part for part in shape.module.split(".") if part and not part.isdigit()]
    return " ".join(parts[: 2 if shape.block or len(parts) < 3 else 3]) or "model"


def _total(shapes: Iterable[Shape]) -> int:
    return sum(shape.numbers for shape in shapes)
