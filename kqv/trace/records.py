"""What a trace keeps: one record for each tensor, and one for each call that made tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from kqv.arithmetic import Expression, Index, Operand
from kqv.dimensions import label
from kqv.errors import TraceError
from kqv.trace.cells import Cell, Phase
from kqv.trace.kept import Kept, unseen
from kqv.trace.location import NOWHERE, Location
from kqv.trace.movements import Movement, unflatten

if TYPE_CHECKING:
    from kqv.trace.update import UpdateRecord

Kind = Literal["parameter", "buffer", "activation"]
Derive = Callable[[Any, Index], Expression]


class AnyOperation(Protocol):
    """What a trace needs of an operation: names and formulas, and the arithmetic of single elements."""

    name: str
    formula: str
    inputs: tuple[str, ...]
    gradients: Mapping[str, str]
    derivatives: Mapping[str, Derive]

    @property
    def derive(self) -> Derive:
        """The arithmetic of one element of the output."""

    def call(self, operands: Mapping[str, Operand | None], options: Mapping[str, Any]) -> Any:
        """The object that `derive(call, index)` reads its operands and options from."""


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


@dataclass
class CallRecord:
    """One call of an operation: inputs, output, options, where it stands, and the gradients that came back."""

    operation: AnyOperation
    options: dict[str, Any]
    path: str
    location: Location
    number: int
    inputs: list[TensorRecord | None] = field(default_factory=list)
    differentiated: tuple[bool, ...] = ()
    output: TensorRecord | None = None
    gradient: Kept | None = None
    input_gradients: tuple[Kept | None, ...] = ()

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name

    def receive(self, gradient: Tensor, gradients: tuple[Tensor | None, ...]) -> None:
        """Keep what the backward got and what it gave; called by the operation's wrapper."""
        self.gradient = Kept.of(gradient)
        self.input_gradients = tuple(
            Kept.of(found) if wanted and found is not None else None
            for wanted, found in zip(self.differentiated, gradients, strict=False)
        )

    def input_gradient(self, place: int) -> Tensor | None:
        """What this call adds to the gradient of its input number `place`."""
        kept = self.input_gradients[place] if place < len(self.input_gradients) else None
        return None if kept is None else kept.read(f"a gradient of {self.name}")


@dataclass
class ForeignCall:
    """One call of a function of PyTorch that computes: what came from what is known, the formula is not."""

    name: str
    path: str
    location: Location
    sources: list[TensorRecord] = field(default_factory=list)
    outputs: list[TensorRecord] = field(default_factory=list)


class TensorRecord:
    """One tensor of a pass: names, dimensions, value, gradient, what made it and what used it."""

    def __init__(self, tensor: Tensor, number: int, kind: Kind = "activation") -> None:
        self.kept = Kept.of(tensor)
        self.number = number
        self.kind: Kind = kind
        self.sizes: tuple[int, ...] = tuple(tensor.shape)
        self.names: list[Name] = []
        self.likely_name: Name | None = None
        self.producer: CallRecord | ForeignCall | Movement | UpdateRecord | None = None
        self.producer_place = 0
        self.consumers: list[tuple[CallRecord | ForeignCall | Movement, int]] = []
        self.received: Kept | None = None
        self.hook: RemovableHandle | None = None

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
    def operation(self) -> AnyOperation | None:
        """The operation that made it, or None."""
        return self.producer.operation if isinstance(self.producer, CallRecord) else None

    @property
    def origin(self) -> str:
        """What made it, in a word: the operation, the function of PyTorch, or `given`."""
        return self.producer.name if self.producer is not None else "given"

    @property
    def formula(self) -> str:
        """The operation's formula, or `""`."""
        return self.producer.operation.formula if isinstance(self.producer, CallRecord) else ""

    @property
    def location(self) -> Location:
        """The line that computed it; where nothing did, the line that named it."""
        if isinstance(self.producer, (CallRecord, ForeignCall)):
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
        if isinstance(self.producer, CallRecord) and self.producer.gradient is not None:
            return self.producer.gradient.read(f"the gradient of {self.name}")
        if self.received is not None:
            return self.received.read(f"the gradient of {self.name}")
        with unseen():
            parts = [_contribution(consumer, place) for consumer, place in self.consumers]
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

    def cell_at(self, place: int, phase: Phase = "forward") -> Cell:
        """The element at one place, counted row by row."""
        return self.cell(phase, unflatten(place, self.sizes))

    def __repr__(self) -> str:
        return f"{self.name or 'unnamed'}{self.shape_text}"


def _contribution(consumer: CallRecord | ForeignCall | Movement, place: int) -> Tensor | None:
    """What one consumer adds to the gradient of the tensor that is its input number `place`."""
    if isinstance(consumer, CallRecord):
        return consumer.input_gradient(place)
    if isinstance(consumer, ForeignCall):
        return None
    gradients = {number: record.gradient for number, record in consumer.outputs.items()}
    known = {number: gradient for number, gradient in gradients.items() if gradient is not None}
    return consumer.gradient_of_source(place, known) if known else None


def require(gradient: Tensor | None, name: str) -> Tensor:
    """The gradient; `TraceError` where there is none."""
    if gradient is None:
        raise TraceError(f"{name} has no gradient: nothing behind it leads to the loss, or no backward pass was run")
    return gradient
