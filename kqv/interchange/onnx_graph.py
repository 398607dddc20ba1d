"""A graph of ONNX as it is built: operators whose values have names, and the numbers that they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from kqv.errors import Error

Form = TypeVar("Form")

OPSET = 17
"""The version of ONNX's operators: the first with layer norm, which all of today's engines know."""


@dataclass(frozen=True)
class Node:
    """One operator, from the values named in `inputs` to those in `outputs`."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """What goes in or comes out: its name, its type, and sizes, or names of sizes that each call chooses."""

    name: str
    dtype: torch.dtype
    shape: tuple[int | str, ...]


@dataclass
class Graph:
    """Operators in the order of their computation; `numbers` are weights and constants by name."""

    nodes: list[Node] = field(default_factory=list)
    numbers: dict[str, Tensor] = field(default_factory=dict)
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all numbers."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.numbers.values())

    def input(self, name: str, dtype: torch.dtype, *shape: int | str) -> str:
        """Another input; its name."""
        self.inputs.append(Port(name, dtype, shape))
        return name

    def output(self, name: str, *shape: int | str) -> None:
        """A value in float32 that comes out."""
        self.outputs.append(Port(name, torch.float32, shape))


@dataclass(frozen=True)
class Scope:
    """Where a module of a model puts its operators: in `graph`, with names that begin with the module's `path`, as a
    trace has them."""

    graph: Graph
    path: str = ""

    def into(self, name: str) -> Scope:
        """The scope of a module inside."""
        return Scope(self.graph, self.named(name))

    def named(self, name: str) -> str:
        """A value's whole name."""
        return f"{self.path}.{name}" if self.path else name

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """An operator with one output; its name, which is made up where none is given."""
        output = self.named(name or f"{kind}_{len(self.graph.nodes)}")
        self.graph.nodes.append(Node(kind, inputs, (output,), attributes))
        return output

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """The last axis in parts of these sizes."""
        first = len(self.graph.nodes)
        outputs = tuple(self.named(f"Split_{first}_{number}") for number in range(len(sizes)))
        self.graph.nodes.append(Node("Split", (x, self.whole(*sizes)), outputs, {"axis": -1}))
        return list(outputs)

    def weight(self, name: str, tensor: Tensor) -> str:
        """Numbers of the model, kept once under their name."""
        full = self.named(name)
        self.graph.numbers.setdefault(full, tensor.detach())
        return full

    def number(self, value: float) -> str:
        """One fraction, the same for all who ask for it."""
        return Scope(self.graph).weight(f"number {value!r}", torch.tensor(value, dtype=torch.float32))

    def whole(self, *values: int) -> str:
        """Whole numbers `[count]`, such as axes and sizes."""
        name = f"whole {' '.join(map(str, values))}"
        return Scope(self.graph).weight(name, torch.tensor(values, dtype=torch.int64))


def form_of(kind: str, name: str, forms: Mapping[str, Form]) -> Form:
    """What writes a part by this name. Raises `Error` that lists those known for one that is not."""
    if name not in forms:
        raise Error(f"the {kind} {name!r} is not written to ONNX here; these are: {', '.join(forms)}")
    return forms[name]
