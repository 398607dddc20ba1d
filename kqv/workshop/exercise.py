"""What an exercise is: functions to be written, the inputs they are tried with, and the mistakes that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kqv.arithmetic import Expression, Operand
from kqv.dimensions import VOCABULARY, label

if TYPE_CHECKING:
    from kqv.operations import Operation, Pair

Matrix = Any
"""A NumPy array of float64: NumPy itself calls most of its results Any, and references are to read plainly."""

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """Something that goes in or comes out: its name, its axes ("out 1" is a column), and what it is.

    An axis is a name of the vocabulary of dimensions, or 1. No axes at all is a plain number. `many` stands for a list
    with one for each layer; `note` replaces the axes in the text where the value is no array.
    """

    name: str
    dimensions: str
    meaning: str
    many: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        unknown = [axis for axis in self.axes if axis not in VOCABULARY and axis != "1"]
        if unknown:
            raise ValueError(f"{self.name}: the axes {unknown} are not in the vocabulary of dimensions")

    @property
    def axes(self) -> list[str]:
        """Names of the axes."""
        return self.dimensions.split()

    @property
    def shape_text(self) -> str:
        """The axes for a text: `[out, 1]`; for a plain number "a number"."""
        if self.note:
            return self.note
        shape = f"[{', '.join(self.axes)}]" if self.axes else "a number"
        return f"a list, for each layer {shape}" if self.many else shape


def label_of(value: Value, shape: tuple[int, ...]) -> str:
    """A shape with its names; an axis that is always 1 has none: `[out=30, 1]`."""
    named = label(value.axes, shape) if len(value.axes) == len(shape) else str(list(shape))
    return named.replace("1=1", "1")


@dataclass(frozen=True)
class Provided:
    """A function that a learner's function is given as an argument: its name in `kqv.workshop.given`."""

    name: str

    def function(self) -> Callable[..., Any]:
        """The function itself."""
        from kqv.workshop import given

        found: Callable[..., Any] = getattr(given, self.name)
        return found


@dataclass(frozen=True)
class Case:
    """Inputs that a function is tried with, in the order of its parameters; `title` says what is special about them."""

    title: str
    inputs: Inputs


Reference = Callable[..., Any]


@dataclass(frozen=True)
class Mistake:
    """A typical mistake: its name, what to do about it, and a function that makes it.

    A mistake is recognised by what it gives: a learner's function that gives the same on every input made it. Of
    several arrays that come out some may be right; not so with a mistake that is `whole`, such as a wrong order.
    """

    name: str
    advice: str
    function: Reference
    whole: bool = False


Derivation = Callable[[Inputs, int, tuple[int, ...]], Expression]
"""The arithmetic of one number that comes out: from the inputs, the position among the results, and the index there."""


@dataclass(frozen=True)
class Function:
    """One function of an exercise: what goes in and comes out, its formula, and what it is compared with."""

    reference: Reference
    formula: str
    takes: tuple[Value, ...]
    gives: tuple[Value, ...]
    cases: Callable[[], Sequence[Case]]
    derive: Derivation
    mistakes: tuple[Mistake, ...]
    tolerance: float = 1e-7
    last_layer_first: bool = False
    """Whether results are compared from the last layer on, since an error there makes all layers before it wrong."""

    @property
    def name(self) -> str:
        """The name that the learner's function has, too."""
        return self.reference.__name__

    @property
    def call(self) -> str:
        """How it is called: `sigmoid(z)`."""
        return f"{self.name}({', '.join(value.name for value in self.takes)})"

    @cached_property
    def tries(self) -> tuple[Case, ...]:
        """The inputs that it is tried with, made once."""
        return tuple(self.cases())


Methods = Mapping[str, Callable[..., Any]]

MNIST_EPOCHS = 3
"""Fifty thousand pictures, one by one in Python, take some seconds an epoch; three are enough to read digits."""


@dataclass(frozen=True)
class Training:
    """How the textbook's network is trained with the learner's functions; `part` says what they do in it.

    The learner's functions come in by `methods`, which gives methods of the network that call them, or by `operation`,
    which gives an operation of kqv and the pair of functions that computes it instead. `apart`, if any, measures how
    far the learner's gradient is from kqv's before the first epoch. All three are given the learner's module.
    """

    part: str
    hidden: tuple[int, ...] = (30,)
    epochs: int = 8
    batch: int = 10
    eta: float = 3.0
    cost: Literal["quadratic", "cross-entropy"] = "quadratic"
    methods: Callable[[ModuleType], Methods] | None = None
    operation: Callable[[ModuleType], tuple[Operation, Pair]] | None = None
    apart: Callable[[Any, ModuleType, Any], float] | None = None

    def with_epochs(self, epochs: int | None, data: str | None) -> Training:
        """The same with other epochs where they are given; fewer than usual on data that is not embedded."""
        usual = self.epochs if data is None or data == "digits8x8" else min(self.epochs, MNIST_EPOCHS)
        return replace(self, epochs=usual if epochs is None else epochs)


@dataclass(frozen=True)
class Exercise:
    """An exercise: one or more functions in one file; those with a smaller `order` come before it."""

    name: str
    order: int
    title: str
    task: str
    functions: tuple[Function, ...]
    hints: tuple[str, str, str]
    source: str
    training: Training
    imports: str = ""
    """Lines that the template has below `import numpy as np`: what the learner may use."""


@dataclass(frozen=True)
class ArraySource:
    """An array that expressions read from, under a name."""

    name: str
    array: npt.NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.array.shape

    def label(self, index: tuple[int, ...]) -> str:
        """Name of one element: `weights[0][2,1]`."""
        return f"{self.name}[{','.join(map(str, index))}]" if index else self.name

    def read(self, axes: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The elements at the outer product of the positions."""
        return self.array[np.ix_(*axes)] if axes else self.array


def operand(name: str, array: Any) -> Operand:
    """An array under a name, for expressions: `operand("z", z)[0, 0]`."""
    return Operand(ArraySource(name, np.asarray(array, dtype=np.float64)))
