"""A trace of parts of a model: of the others only what comes out is kept, so that a long text needs little memory.

A model's blocks are the modules in its lists (`blocks.0`, `decoder.blocks.3`). What is passed over, a block or a module
in one, computes as inside a trace, number by number the same, but nothing of it is recorded; for the backward pass it
is computed again (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost), and its weights get no gradient.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kqv.memory import give_back_freed_memory
from kqv.recording import unseen
from kqv.trace.cells import Cell, read_cell
from kqv.trace.location import caller
from kqv.trace.recorder import Recorder
from kqv.trace.records import CallRecord, ForeignCall, Producer, TensorRecord


class Searched(Protocol):
    """What is asked of a trace: its cells by their texts, and the records of its tensors."""

    def read(self, text: str) -> Cell: ...

    def __getitem__(self, name: str) -> TensorRecord: ...


@dataclass(frozen=True)
class Window:
    """What a trace records: all but the modules that are `passed_over`.

    `backward`: whether the pass is to be followed back from the cost; `around`: whether the weights outside of all
    blocks get their gradients too. `calls`: the calls of operations, by their numbers, whose gradients are kept.
    """

    passed_over: frozenset[str] = frozenset()
    backward: bool = False
    around: bool = False
    calls: frozenset[int] = frozenset()

    def has_gradient(self, parameter: str) -> bool:
        """Whether a parameter gets a gradient, by its name."""
        is_seen = not any(_is_in(parameter, part) for part in self.passed_over)
        return self.backward and is_seen and (self.around or _block(parameter) != "")

    def with_parts(self, parts: Iterable[str], model: nn.Module) -> Window:
        """The window with these modules as well, but for what is inside them."""
        passed = self.passed_over
        for part in parts:
            inside = {f"{part}.{name}" for name, _ in model.get_submodule(part).named_children()}
            passed = passed - {part} | inside
        return replace(self, passed_over=passed)


Traced = TypeVar("Traced", bound=Searched)


def trace_for(cells: Sequence[str], model: nn.Module, trace_in: Callable[[Window | None], Traced]) -> Traced:
    """The trace that records no more than these cells need; `trace_in` makes one in a window, or with None a whole.

    Forward passes alone come first, until they tell what made the cells' tensors, and for a gradient what used them.
    Raises `TraceError` for a cell that there is not.
    """
    window = window_for(cells, model) if cells else None
    if window is None:
        return trace_in(None)
    while True:
        trace = trace_in(replace(window, backward=False))
        wider = widened(window, [trace.read(cell) for cell in cells], trace.__getitem__, model)
        if wider == window and not window.backward:
            return trace
        del trace
        gc.collect()
        give_back_freed_memory()  # the next one takes as much
        if wider == window:
            return trace_in(window)
        window = wider


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules in a model's lists by name, the outermost alone."""
    return {name: module for name, module in model.named_modules() if name and _block(name) == name}


_BLOCK = re.compile(r".*?\.\d+(?=\.|$)")


def _block(name: str) -> str:
    """The block that a name is in: of `decoder.blocks.3.attention` `decoder.blocks.3`; `""` outside of all."""
    found = _BLOCK.match(name)
    return found[0] if found else ""


def _is_in(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def window_for(cells: Iterable[str], model: nn.Module) -> Window | None:
    """The smallest window in which all these cells are; None where it takes a whole trace, as an update does."""
    readings = [read_cell(cell) for cell in cells]
    if any(reading.phase == "update" for reading in readings):
        return None
    back = [_block(reading.name) for reading in readings if reading.phase == "backward"]
    window = Window(frozenset(blocks_of(model)), bool(back), "" in back)
    while True:
        around = {part for part in window.passed_over if any(_is_in(reading.name, part) for reading in readings)}
        if not around:
            return window
        window = window.with_parts(around, model)


def widened(
    window: Window, cells: Iterable[Cell], record_of: Callable[[str], TensorRecord], model: nn.Module
) -> Window:
    """The window with the modules and calls that these cells lead to."""
    passed: set[str] = set()
    calls: set[int] = set()
    for cell in cells:
        record = record_of(cell.name)
        users = list(_users(record)) if cell.phase == "backward" else []
        passed |= {part.name for part in (*_makers(record), *users) if isinstance(part, PassedOver)}
        calls |= {part.number for part in (record.producer, *users) if users and isinstance(part, CallRecord)}
    return replace(window.with_parts(passed, model), calls=frozenset(calls))


def _makers(record: TensorRecord) -> Iterator[Producer]:
    """What made a tensor, or what its elements were moved from."""
    if record.producer is not None:
        yield record.producer
        for source in record.producer.moved_from():
            yield from _makers(source)


def _users(record: TensorRecord) -> Iterator[Producer]:
    """What took a tensor, or what its elements were moved to."""
    for consumer, _ in record.consumers:
        yield consumer
        for made in consumer.made() if consumer.moves else ():
            yield from _users(made)


class PassedOver(ForeignCall):
    """A module that was not recorded: what went in and what came out."""


@contextmanager
def looking_through(window: Window, model: nn.Module, recorder: Recorder) -> Iterator[None]:
    """Record what is in the window alone, and let its parameters alone get gradients, inside the `with`."""
    recorder.keeps_gradients = window.calls.__contains__
    with ExitStack() as stack:
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            if window.has_gradient(name):
                recorder.leave_to_uses(parameter)
                stack.callback(parameter.register_post_accumulate_grad_hook(_drop).remove)  # type: ignore[no-untyped-call]
            else:
                stack.callback(parameter.requires_grad_, True)
                parameter.requires_grad_(False)
        for name in window.passed_over:
            module = model.get_submodule(name)
            vars(module)["forward"] = partial(_pass_over, recorder, name, module.forward)
            stack.callback(vars(module).pop, "forward")
        for name, block in blocks_of(model).items():
            if name not in window.passed_over:
                stack.callback(block.register_forward_pre_hook(partial(_begin_gradients, recorder)).remove)
        yield


def _drop(parameter: Tensor) -> None:
    """Leave no gradient with a parameter: the trace has its own, and no optimizer's step is taken."""
    parameter.grad = None


def _begin_gradients(recorder: Recorder, block: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Where nothing before a block has a gradient, what goes into it gets one."""
    for tensor in inputs:
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and torch.is_grad_enabled():
            if not tensor.requires_grad:
                tensor.requires_grad_()
            recorder.await_gradient(tensor)


def _pass_over(recorder: Recorder, name: str, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """Call a module without recording what happens in it."""

    def compute(*inputs: Any, **options: Any) -> Any:
        with recorder.resting(), unseen():
            return forward(*inputs, **options)

    sources = [item for item in (*inputs, *options.values()) if isinstance(item, Tensor)]
    with unseen():
        if torch.is_grad_enabled() and any(source.requires_grad for source in sources):
            output = checkpoint(compute, *inputs, use_reentrant=False, **options)
        else:
            output = compute(*inputs, **options)
        recorder.keep_unrecorded(PassedOver(name, name, caller()), sources, [output])
    return output
