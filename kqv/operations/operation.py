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
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from kqv.arithmetic import Expression, Index, Operand
from kqv.errors import DimensionError
from kqv.trace.recorder import current_recorder

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

    `call.x` is the operand of the input named `x` (None where it was not given), `call.output` and `call.gradient`
    those of the output and of its gradient, `call.epsilon` an option.
    """

    def __init__(self, operands: Mapping[str, Operand | None], options: Mapping[str, Any]) -> None:
        self.__dict__.update(options)
        self.__dict__.update(operands)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this call has no input, output or option named {name!r}")


@dataclass
class Operation:
    """One operation of the mathematics.

    `dimensions` gives for each input and for `output` its axes (`...` stands for any number of leading axes);
    `gradients` the formula of each input's derivative; `derive(call, index)` the arithmetic of one element of the
    output, `derivatives[input](call, index)` that of one element of that input's gradient. `precision` says what
    happens under autocast: `"lower"` computes in autocast's type, `"full"` in float32, `"any"` in the widest type given.
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
    inputs: tuple[str, ...] = field(init=False)
    options: dict[str, Any] = field(init=False)
    pair: Pair = field(init=False)

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.forward).parameters.values()
        self.inputs = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self.options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.pair = self.kernel or self.definition
        self._function = _function_of(self)

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
            return self._function.apply(None, options, *inputs)
        recorder = current_recorder()
        try:
            if recorder is not None:
                return recorder.record_call(self, inputs, options, self._function.apply)
            if torch.is_grad_enabled():
                return self._function.apply(None, options, *inputs)
            return _compute(self, inputs, options)[0]
        except RuntimeError as failure:
            self._explain_sizes(inputs, failure)
            raise

    def _explain_sizes(self, inputs: tuple[Tensor | None, ...], failure: RuntimeError) -> None:
        """Raise a `DimensionError` in place of `failure` where the inputs' sizes contradict `dimensions`."""
        sizes: dict[str, tuple[int, str]] = {}
        for name, tensor in zip(self.inputs, inputs, strict=False):
            axes = self.dimensions.get(name, "...").split()
            if tensor is None or axes[:1] != ["..."] and len(axes) != tensor.dim():
                continue
            for axis, size in zip(reversed(axes), reversed(tensor.shape), strict=False):
                if axis == "...":
                    break
                known, first = sizes.setdefault(axis, (size, f"{name}{list(tensor.shape)}"))
                if known != size:
                    raise DimensionError(
                        f"{self.name}: dimension {axis!r} is {known} in {first} but {size} in {name}{list(tensor.shape)}; "
                        f"expected {name} as [{self.dimensions[name].replace(' ', ', ')}]"
                    ) from failure


def _autocast_device(inputs: tuple[Tensor | None, ...]) -> str | None:
    """The device type whose autocast is on for these inputs."""
    for tensor in inputs:
        if tensor is not None:
            return tensor.device.type if torch.is_autocast_enabled(tensor.device.type) else None
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
    return [t.to(dtype) if t is not None and t.dtype in (torch.float32, torch.bfloat16, torch.float16) else t for t in inputs]


def _compute(
    operation: Operation, inputs: tuple[Tensor | None, ...], options: Mapping[str, Any]
) -> tuple[Tensor, Saved]:
    """Run the forward that is in place; under autocast in the operation's own precision."""
    device = _autocast_device(inputs)
    if device is None:
        return operation.pair.forward(*inputs, **options)
    with torch.autocast(device, enabled=False):
        return operation.pair.forward(*_cast(operation, inputs, device), **options)


def _function_of(operation: Operation) -> Any:
    """The operation as a `torch.autograd.Function`, named after it in the autograd graph."""

    def forward(ctx: Any, record: Any, options: Mapping[str, Any], *inputs: Tensor | None) -> Tensor:
        output, saved = _compute(operation, inputs, options)
        tensors = [item for item in saved if isinstance(item, Tensor)]
        ctx.save_for_backward(*tensors)
        ctx.others = [None if isinstance(item, Tensor) else item for item in saved]
        ctx.tensor_places = [isinstance(item, Tensor) for item in saved]
        ctx.pair = operation.pair
        ctx.record = record
        return output

    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            raise RuntimeError(
                f"{operation.name}: only first derivatives are written here, and create_graph=True asks for more; "
                "call backward() without create_graph"
            )
        tensors = iter(ctx.saved_tensors)
        saved = tuple(
            next(tensors) if is_tensor else item for is_tensor, item in zip(ctx.tensor_places, ctx.others, strict=True)
        )
        needed = ctx.needs_input_grad[2:]
        autocast = torch.is_autocast_enabled(gradient.device.type)
        with torch.autocast(gradient.device.type, enabled=False) if autocast else nullcontext():
            if ctx.pair.selective:
                gradients = ctx.pair.backward(saved, gradient, needed)
            else:
                gradients = ctx.pair.backward(saved, gradient)
        if ctx.record is not None:
            ctx.record.receive(gradient, gradients)
        return (None, None, *gradients)

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(operation.name.title().replace("_", ""), (torch.autograd.Function,), members)
