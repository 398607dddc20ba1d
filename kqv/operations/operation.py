"""What an operation is: a forward and a backward written by hand, their formulas, and how PyTorch calls them.

An operation is two plain functions that can be called with plain tensors,

    forward(*inputs, **options) -> (output, saved)
    backward(saved, gradient)   -> the gradients of the inputs, in their order

and what explains them: formulas, dimensions, and the derivation of single elements. `Operation` wraps the two in a
`torch.autograd.Function`: PyTorch orders and sums the chain rule, each derivative is the one written here. A *kernel*
is the same pair by the framework's own kernels, used where it is faster.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from kqv.arithmetic import Expression, Index, Operand
from kqv.operations.sizes import Sizes
from kqv.recording import current_recorder

Saved = tuple[Any, ...]
Forward = Callable[..., tuple[Tensor, Saved]]
Backward = Callable[..., tuple[Tensor | None, ...]]
Derivation = Callable[["Call", Index], Expression]


@dataclass(frozen=True)
class Pair:
    """A forward and its backward. `selective`: the backward takes a third argument, which gradients are wanted."""

    forward: Forward
    backward: Backward
    selective: bool = False


class Call:
    """One call of an operation as a derivation sees it: its inputs, output and gradient as operands, and its options.

    `call.x` is the operand of the input named `x` (`call.given("bias")`: whether an optional one was given),
    `call.output` and `call.gradient` those of the output and of its gradient, `call.options["epsilon"]` an option.
    """

    def __init__(self, operands: Mapping[str, Operand | None], options: Mapping[str, Any]) -> None:
        self._operands = operands
        self.options = options

    def given(self, name: str) -> bool:
        """Whether the input of this name was given."""
        return self._operands.get(name) is not None

    def __getattr__(self, name: str) -> Operand:
        operand = self._operands.get(name)
        if operand is None:
            known = ", ".join(self._operands)
            raise AttributeError(f"this call has no input or output named {name!r}; it has: {known}")
        return operand


@dataclass
class Operation:
    """One operation of the mathematics.

    `dimensions` gives for each input and for `output` its axes (`...` stands for any number of leading axes, the same
    in all inputs but those in `repeated`, which are broadcast); `gradients` the formula of each input's derivative, for
    the inputs that have one; `derive(call, index)` the arithmetic of one element of the output,
    `derivatives[input](call, index)` that of one element of that input's gradient. Positions of an index may be left
    open (`kqv.arithmetic.open_index`), which gives the arithmetic of all elements at once; what depends on a position
    or on a recorded number is therefore decided by `when(…)`, not by `if`. `precision` says what happens under
    autocast: `"lower"` computes in autocast's type, `"full"` in float32, `"any"` in the widest type given.
    """

    name: str
    formula: str
    gradients: Mapping[str, str]
    dimensions: Mapping[str, str]
    forward: Forward
    backward: Backward
    derive: Derivation
    derivatives: Mapping[str, Derivation]
    source: str
    kernel: Pair | None = None
    precision: Literal["lower", "full", "any"] = "any"
    repeated: tuple[str, ...] = ()
    inputs: tuple[str, ...] = field(init=False)
    options: dict[str, Any] = field(init=False)
    pair: Pair = field(init=False)

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.forward).parameters.values()
        self.inputs = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self.options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.pair = self.kernel or self.definition
        self._sizes = Sizes(self.name, self.inputs, self.dimensions, self.repeated)
        self._apply: Callable[..., Tensor] = _function_of(self).apply if self.gradients else self._without_gradient

    @property
    def definition(self) -> Pair:
        """The pair written by hand."""
        return Pair(self.forward, self.backward)

    def call(self, operands: Mapping[str, Operand | None], options: Mapping[str, Any]) -> Call:
        """A call for the derivations, from operands and options by name; options not given have their defaults."""
        return Call(operands, {**self.options, **options})

    @contextmanager
    def replaced(self, pair: Pair) -> Iterator[None]:
        """Compute with another pair inside the `with`: the definition, or a learner's own forward and backward."""
        before, self.pair = self.pair, pair
        try:
            yield
        finally:
            self.pair = before

    def __call__(self, *inputs: Tensor | None, **options: Any) -> Tensor:
        """The operation's output; differentiable by the backward written here.

        Raises `DimensionError`, which names the clashing dimension and both operands, for sizes that do not fit.
        """
        if torch.compiler.is_compiling():
            # without gradients the compiler cannot follow an autograd function that takes a dictionary
            computes = torch.is_grad_enabled()
            return self._apply(None, options, *inputs) if computes else _compute(self, inputs, options)[0]
        self._sizes.check(inputs)
        recorder = current_recorder()
        try:
            if recorder is not None:
                return recorder.record_call(self, inputs, options, self._apply)
            if torch.is_grad_enabled():
                return self._apply(None, options, *inputs)
            return _compute(self, inputs, options)[0]
        except (RuntimeError, TypeError):
            self._sizes.check_repeated(inputs)
            raise

    def _without_gradient(self, record: Any, options: Mapping[str, Any], *inputs: Tensor | None) -> Tensor:
        """Take the place of the autograd function where no input has a derivative."""
        with torch.no_grad():
            return _compute(self, inputs, options)[0]


def _autocast_device(inputs: tuple[Tensor | None, ...]) -> str | None:
    """The device type whose autocast is on for these inputs."""
    for tensor in inputs:
        if tensor is not None:
            device = "cpu" if tensor.is_cpu or tensor.is_meta else tensor.device.type  # on meta shapes alone
            return device if torch.is_autocast_enabled(device) else None
    return None


def _cast(operation: Operation, inputs: tuple[Tensor | None, ...], device: str) -> list[Tensor | None]:
    """The inputs in the type that the operation computes in under autocast."""
    floating = [t.dtype for t in inputs if t is not None and t.is_floating_point()]
    if operation.precision == "lower":
        dtype = torch.get_autocast_dtype(device)
    elif operation.precision == "full" or torch.float32 in floating:
        dtype = torch.float32
    else:
        return list(inputs)
    return [t.to(dtype) if t is not None and t.dtype in _CASTABLE else t for t in inputs]


_CASTABLE = (torch.float32, torch.bfloat16, torch.float16)


def _compute(
    operation: Operation, inputs: tuple[Tensor | None, ...], options: Mapping[str, Any]
) -> tuple[Tensor, Saved]:
    """Run the forward that is in place; under autocast in the operation's own precision."""
    device = _autocast_device(inputs)
    if device is None:
        return operation.pair.forward(*inputs, **options)
    with torch.autocast(device, enabled=False):
        return operation.pair.forward(*_cast(operation, inputs, device), **options)


def _arranged(
    operation: Operation, gradients: tuple[Tensor | None, ...], dtypes: list[torch.dtype | None]
) -> tuple[Tensor | None, ...]:
    """One gradient for each given input, in the input's own type: autograd sums what several uses contribute in it."""
    if len(gradients) != len(operation.inputs):
        raise ValueError(
            f"{operation.name}: the backward gave {len(gradients)} gradients; expected one (or None) for each of "
            f"{', '.join(operation.inputs)}"
        )
    return tuple(
        [  # a list, not a generator, which takes twice as long: this runs at every call of a backward
            None if gradient is None or dtype is None else gradient if gradient.dtype == dtype else gradient.to(dtype)
            for gradient, dtype in zip(gradients, dtypes, strict=False)
        ]
    )


def _function_of(operation: Operation) -> Any:
    """The operation as a `torch.autograd.Function`, named after it in the autograd graph."""

    def forward(ctx: Any, record: Any, options: Mapping[str, Any], *inputs: Tensor | None) -> Tensor:
        output, saved = _compute(operation, inputs, options)
        ctx.save_for_backward(*[item if isinstance(item, Tensor) else None for item in saved])
        others = [None if isinstance(item, Tensor) else item for item in saved]
        ctx.call = operation.pair, record, others, [None if tensor is None else tensor.dtype for tensor in inputs]
        return output

    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            raise RuntimeError(
                f"{operation.name}: only first derivatives are written here, and create_graph=True asks for more; "
                "call backward() without create_graph"
            )
        pair, record, others, dtypes = ctx.call
        pairs = zip(ctx.saved_tensors, others, strict=True)
        saved = tuple([other if tensor is None else tensor for tensor, other in pairs])
        arguments = (saved, gradient, ctx.needs_input_grad[2:]) if pair.selective else (saved, gradient)
        device = _autocast_device((gradient,))
        if device is None:
            gradients = pair.backward(*arguments)
        else:
            with torch.autocast(device, enabled=False):
                gradients = pair.backward(*arguments)
        gradients = _arranged(operation, gradients, dtypes)
        if record is not None:
            record.receive(gradient, gradients)
        return (None, None, *gradients)

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(operation.name.title().replace("_", ""), (torch.autograd.Function,), members)
