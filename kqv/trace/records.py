"""What a trace keeps: one record for each tensor and one for each call of an operation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from kqv.dimensions import label
from kqv.errors import TraceError
from kqv.trace.movements import Movement


@dataclass(frozen=True)
class Name:
    """A name that model code gave to a tensor, with its dimensions, its symbol in the book, and where in the code."""

    name: str
    dimensions: tuple[str, ...]
    symbol: str = ""
    path: str = ""
    file: str = ""
    line: int = 0

    def renamed(self, name: str) -> Name:
        """The same under another name."""
        return replace(self, name=name)


@dataclass
class Kept:
    """A tensor kept by reference, with the version it had, so that a later change in place is noticed."""

    tensor: Tensor
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> Kept:
        """Keep a tensor as it is now."""
        return cls(tensor, -1 if tensor.is_inference() else tensor._version)

    def read(self, name: str) -> Tensor:
        """The tensor; `TraceError` when something changed it in place since."""
        if self.version >= 0 and self.tensor._version != self.version:
            raise TraceError(
                f"{name} was changed in place after it was recorded, so its value then is lost; "
                "read it before changing it, or keep a clone"
            )
        return self.tensor.detach()


@dataclass
class CallRecord:
    """One call of an operation: inputs, output, options, where it stands, and the gradients that came back."""

    operation: Any
    options: dict[str, Any]
    path: str
    file: str
    line: int
    number: int
    inputs: list[TensorRecord | None] = field(default_factory=list)
    output: TensorRecord | None = None
    gradient: Kept | None = None
    input_gradients: tuple[Kept | None, ...] = ()

    def receive(self, gradient: Tensor, gradients: tuple[Tensor | None, ...]) -> None:
        """Keep what the backward got and what it gave; called by the operation's wrapper."""
        self.gradient = Kept.of(gradient)
        self.input_gradients = tuple(None if g is None else Kept.of(g) for g in gradients)


class TensorRecord:
    """One tensor of a pass: names, dimensions, value, gradient, what made it and what used it."""

    def __init__(self, tensor: Tensor, number: int) -> None:
        self.kept = Kept.of(tensor)
        self.number = number
        self.names: list[Name] = []
        self.producer: CallRecord | Movement | None = None
        self.producer_place = 0
        self.consumers: list[tuple[CallRecord | Movement, int]] = []

    @property
    def tensor(self) -> Tensor:
        """The tensor itself, without the check that nothing changed it."""
        return self.kept.tensor

    @property
    def name(self) -> str:
        """The first name, or `""`."""
        return self.names[0].name if self.names else ""

    @property
    def symbol(self) -> str:
        """What the book calls it, such as z²; `""` without one."""
        return next((name.symbol for name in self.names if name.symbol), "")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the axes; empty when nobody named them."""
        return next((name.dimensions for name in self.names if name.dimensions), ())

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(self.tensor.shape)

    @property
    def shape_text(self) -> str:
        """`[batch=1, head=4]`; without names `[1, 4]`."""
        if len(self.dimensions) == len(self.sizes):
            return label(self.dimensions, self.sizes)
        return str(list(self.sizes))

    @property
    def operation(self) -> Any:
        """The operation that made it, or None."""
        return self.producer.operation if isinstance(self.producer, CallRecord) else None

    @property
    def location(self) -> tuple[str, int]:
        """File and line: of the operation's call, else of the note."""
        if isinstance(self.producer, CallRecord):
            return self.producer.file, self.producer.line
        return (self.names[0].file, self.names[0].line) if self.names else ("", 0)

    @property
    def value(self) -> Tensor:
        """The value, checked to be unchanged since it was recorded."""
        return self.kept.read(self.name or "a tensor")

    @property
    def gradient(self) -> Tensor | None:
        """∂(loss)/∂(this), with the value's dimensions: the sum over everything that used it; None without a backward."""
        if isinstance(self.producer, CallRecord) and self.producer.gradient is not None:
            return self.producer.gradient.read(f"the gradient of {self.name}")
        total: Tensor | None = None
        for consumer, place in self.consumers:
            part = contribution(consumer, place)
            if part is not None:
                total = part if total is None else total + part
        return total

    def __repr__(self) -> str:
        return f"{self.name or 'unnamed'}{self.shape_text}"


def contribution(consumer: CallRecord | Movement, place: int) -> Tensor | None:
    """What one consumer adds to the gradient of the tensor that is its input number `place`."""
    if isinstance(consumer, CallRecord):
        kept = consumer.input_gradients[place] if consumer.input_gradients else None
        return None if kept is None else kept.read(f"a gradient of {consumer.operation.name}")
    gradients = {number: record.gradient for number, record in consumer.outputs.items()}
    known = {number: gradient for number, gradient in gradients.items() if gradient is not None}
    if not known:
        return None
    found = consumer.gradient_of_source(place, known)
    return found.to(consumer.sources[place].tensor.device)


def summary(value: Tensor) -> dict[str, float]:
    """Smallest, mean, largest and root mean square of a tensor's numbers."""
    numbers = value.detach().to(torch.float64)
    if numbers.numel() == 0:
        return {"minimum": 0.0, "mean": 0.0, "maximum": 0.0, "rms": 0.0}
    return {
        "minimum": float(numbers.min()),
        "mean": float(numbers.mean()),
        "maximum": float(numbers.max()),
        "rms": float(numbers.square().mean().sqrt()),
    }
