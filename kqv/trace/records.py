"""What a trace keeps: a record of each tensor, and of what made it and what used it: its producer and its consumers.

Records hold data and pass gradients on; how single numbers came about is told in `explain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from kqv.arithmetic import Array, Index
from kqv.dimensions import label
from kqv.errors import TraceError
from kqv.operations.operation import Operation
from kqv.recording import unseen
from kqv.trace.cells import Cell, Phase, unflatten
from kqv.trace.kept import Kept
from kqv.trace.location import NOWHERE, Location

Kind = Literal["parameter", "buffer", "activation"]


@dataclass(frozen=True)
class Name:
    """A name of a tensor, with its dimensions, its symbol in the book, its module and its line of code."""

    name: str
    dimensions: tuple[str, ...] = ()
    symbol: str = ""
    path: str = ""
    location: Location = NOWHERE

    def renamed(self, name: str) -> Name:
        """The same under another name."""
        return replace(self, name=name)


class Producer:
    """What makes tensors of a pass out of others: a call of an operation or of a function of PyTorch, a movement, an
    optimizer's step. To the tensors that it makes it is the producer, to those that it takes a consumer.
    """

    name: str
    path: str
    location: Location
    formula: str
    moves: ClassVar[bool] = False
    """Whether it only moves elements, so that each is one that stands elsewhere already."""
    keeps_gradients: ClassVar[bool] = False
    """Whether it is told the gradients of what it made."""

    @property
    def name_of_result(self) -> str:
        """What its result is called if nobody names it; `""` where it then needs no name."""
        return ""

    def name_of_input(self, position: int) -> str:
        """What its input number `position` is called if nobody names it."""
        return "given"

    def made(self) -> Sequence[TensorRecord]:
        """The tensors that it made."""
        return ()

    def output_gradient(self) -> Tensor | None:
        """The gradient of what it made, where it was told."""
        return None

    def input_gradient(self, position: int) -> Tensor | None:
        """What it adds to the gradient of its input number `position`, where that is known."""
        return None

    def use_of(self, position: int) -> tuple[str, str] | None:
        """For an input that it adds to the gradient of: which input of what, and the formula."""
        return None

    def options_told(self) -> dict[str, Any]:
        """What it was called with beside tensors, as far as it can be written down."""
        return {}

    def moved_from(self) -> Sequence[TensorRecord]:
        """The tensors whose elements it moved."""
        return ()

    def taken_whole(self) -> Sequence[TensorRecord]:
        """The tensors that it computed from, where it is not known which element came of which."""
        return ()

    def origin(self, output: int, index: Index) -> tuple[TensorRecord, Index] | None:
        """Where it moved an element of output number `output` from."""
        return None

    def origins(self, output: int, positions: Array) -> Iterator[tuple[TensorRecord, Array]]:
        """The same for many elements by their flat positions, source by source."""
        return iter(())


@dataclass
class CallRecord(Producer):
    """One call of an operation: inputs, output, options, where it stands, and the gradients that came back."""

    operation: Operation
    options: dict[str, Any]
    path: str
    location: Location
    number: int
    inputs: list[TensorRecord | None] = field(default_factory=list)
    differentiated: tuple[bool, ...] = ()
    output: TensorRecord | None = None
    gradient: Kept | None = None
    input_gradients: tuple[Kept | None, ...] = ()

    keeps_gradients = True

    def __post_init__(self) -> None:
        self.name, self.formula = self.operation.name, self.operation.formula

    @property
    def name_of_result(self) -> str:
        return joined(self.path, self.name)

    def name_of_input(self, position: int) -> str:
        return joined(self.path, self.operation.inputs[position])

    def made(self) -> Sequence[TensorRecord]:
        return () if self.output is None else (self.output,)

    def output_gradient(self) -> Tensor | None:
        return None if self.gradient is None else self.gradient.read(f"the gradient of {self.name_of_result}")

    def receive(self, gradient: Tensor, gradients: tuple[Tensor | None, ...]) -> None:
        """Keep what the backward got and what it gave; called by the operation's wrapper."""
        self.gradient = Kept.of(gradient)
        self.input_gradients = tuple(
            Kept.of(found) if wanted and found is not None else None
            for wanted, found in zip(self.differentiated, gradients, strict=False)
        )

    def input_gradient(self, position: int) -> Tensor | None:
        kept = self.input_gradients[position] if position < len(self.input_gradients) else None
        return None if kept is None else kept.read(f"a gradient of {self.name}")

    def use_of(self, position: int) -> tuple[str, str] | None:
        if self.input_gradient(position) is None:
            return None
        name = self.operation.inputs[position]
        return f"{name} of {self.name}", self.operation.gradients[name]

    def options_told(self) -> dict[str, Any]:
        return {name: value for name, value in self.options.items() if isinstance(value, (bool, int, float, str))}


@dataclass
class ForeignCall(Producer):
    """One call of a function of PyTorch that computes: what came from what is known, the formula is not."""

    name: str
    path: str
    location: Location
    sources: list[TensorRecord] = field(default_factory=list)
    outputs: list[TensorRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.formula = ""

    @property
    def name_of_result(self) -> str:
        return joined(self.path, self.name)

    def name_of_input(self, position: int) -> str:
        return joined(self.path, "given")

    def made(self) -> Sequence[TensorRecord]:
        return self.outputs

    def taken_whole(self) -> Sequence[TensorRecord]:
        return self.sources


class TensorRecord:
    """One tensor of a pass: names, dimensions, value, gradient, what made it and what used it."""

    def __init__(self, tensor: Tensor, number: int, kind: Kind = "activation") -> None:
        self.kept = Kept.of(tensor)
        self.number = number
        self.kind: Kind = kind
        self.sizes: tuple[int, ...] = tuple(tensor.shape)
        self.names: list[Name] = []
        self.likely_name: Name | None = None
        self.producer: Producer | None = None
        self.producer_position = 0
        self.consumers: list[tuple[Producer, int]] = []
        self.received: Kept | None = None
        self.hook: RemovableHandle | None = None
        self._had_graph = False

    def leave_graph(self) -> None:
        """Keep the numbers alone. What made a tensor in PyTorch's graph refers to its record, which refers to the
        tensor: such a circle would never be freed."""
        if self.tensor.grad_fn is not None:
            self._had_graph = True
            self.kept.tensor = self.tensor.detach()  # counts changes in place together with the tensor itself

    @property
    def differentiable(self) -> bool:
        """Whether a gradient could come to it."""
        return self._had_graph or self.tensor.requires_grad

    @property
    def tensor(self) -> Tensor:
        """The tensor itself, without the check that nothing changed it."""
        return self.kept.tensor

    @property
    def name(self) -> str:
        """The first name, or `""`."""
        return self.names[0].name if self.names else ""

    @property
    def path(self) -> str:
        """The module that the tensor belongs to, or `""`."""
        return self.names[0].path if self.names else ""

    @property
    def aliases(self) -> list[str]:
        """The other names of the same tensor."""
        return [name.name for name in self.names[1:]]

    @property
    def symbol(self) -> str:
        """What the book calls it, such as z²; `""` without one."""
        return next((name.symbol for name in self.names if name.symbol), "")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the axes; empty when nobody named them."""
        return next((name.dimensions for name in self.names if name.dimensions), ())

    @property
    def shape_text(self) -> str:
        """`[batch=1, head=4]`; without names `[1, 4]`."""
        if len(self.dimensions) == len(self.sizes):
            return label(self.dimensions, self.sizes)
        return str(list(self.sizes))

    @property
    def origin(self) -> str:
        """What made it, in a word: the operation, the function of PyTorch, the optimizer's rule, or `given`."""
        return self.producer.name if self.producer is not None else "given"

    @property
    def formula(self) -> str:
        """The formula of what made it, or `""`."""
        return self.producer.formula if self.producer is not None else ""

    @property
    def location(self) -> Location:
        """The line that computed or moved it, for an update the optimizer's rule; else the line that named it."""
        if self.producer is not None and self.producer.location.file:
            return self.producer.location
        return self.named_at

    @property
    def named_at(self) -> Location:
        """The line that gave it its name."""
        return next((name.location for name in self.names if name.location.file), NOWHERE)

    @property
    def value(self) -> Tensor:
        """The value; `TraceError` when something changed it since it was recorded."""
        return self.kept.read(self.name or "a tensor")

    @property
    def gradient(self) -> Tensor | None:
        """∂(loss)/∂(this), with the value's dimensions, summed over all uses; None without a backward."""
        told = None if self.producer is None else self.producer.output_gradient()
        if told is not None:
            return told
        if self.received is not None:
            return self.received.read(f"the gradient of {self.name}")
        with unseen():
            parts = [consumer.input_gradient(position) for consumer, position in self.consumers]
            known = [part for part in parts if part is not None]
            return sum(known[1:], known[0]) if known else None

    @property
    def readable_value(self) -> Tensor | None:
        """The value, or None where something changed it since it was recorded."""
        return self.value if self.kept.unchanged else None

    @property
    def readable_gradient(self) -> Tensor | None:
        """The gradient, or None where there is none, or something changed it since."""
        try:
            return self.gradient
        except TraceError:
            return None

    def cell(self, phase: Phase, index: Index) -> Cell:
        """One element of the value, the gradient or the updated value."""
        return Cell(phase, self.name, tuple(index), self.dimensions)

    def cell_at(self, position: int, phase: Phase = "forward") -> Cell:
        """The element at one position, counted row by row."""
        return self.cell(phase, unflatten(position, self.sizes))

    def __repr__(self) -> str:
        return f"{self.name or 'unnamed'}{self.shape_text}"


def joined(path: str, name: str) -> str:
    """A name under its module's path."""
    return f"{path}.{name}" if path else name


def require(gradient: Tensor | None, name: str) -> Tensor:
    """The gradient; `TraceError` where there is none."""
    if gradient is None:
        raise TraceError(f"{name} has no gradient: nothing behind it leads to the loss, or no backward pass was run")
    return gradient
