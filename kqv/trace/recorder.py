"""Recording: what happens in a pass, kept by reference: calls of operations, movements of elements, names.

`note` gives a tensor its name and dimensions in model code. While a `Recorder` is active in a thread, every call of an
operation is kept with its inputs, output and gradients; views, slices, joins and copies are kept as movements.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from kqv.dimensions import Bindings, parse
from kqv.trace.movements import MOVEMENTS, Movement
from kqv.trace.records import CallRecord, Name, TensorRecord

_active: dict[int, Recorder] = {}  # by thread: a recorder sees only the thread that opened it


def current_recorder() -> Recorder | None:
    """The recorder of this thread, if one is active."""
    return _active.get(threading.get_ident()) if _active else None


def recording() -> bool:
    """Whether this thread's pass is being recorded; models then take their written-out path."""
    return not torch.compiler.is_compiling() and current_recorder() is not None


def note(name: str, tensor: Tensor, dimensions: str, symbol: str = "") -> Tensor:
    """Name a tensor and its dimensions, and return it unchanged; without an active recorder nothing else happens.

    `note("scores", scores, "batch head query key")` inside a module at `blocks.0.attention` names the tensor
    `blocks.0.attention.scores`. `symbol` is what a book calls it (z², a²). Raises `DimensionError` while recording
    when a dimension has another size than before in the same module call (`batch`, `model`, `vocab`: same pass).
    """
    if torch.compiler.is_compiling() or not _active:
        return tensor
    recorder = current_recorder()
    if recorder is not None:
        recorder.note(name, tensor, dimensions, symbol)
    return tensor


class AnyOperation(Protocol):
    """What the recorder needs of an operation."""

    name: str
    inputs: tuple[str, ...]


def caller() -> tuple[str, int]:
    """File and line of the model code that called an operation or `note`."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(("kqv.trace", "kqv.operations", "torch.")) and module != "torch":
            break
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


class Recorder(TorchFunctionMode):
    """Keeps calls, movements and names of the passes of one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: dict[int, TensorRecord] = {}
        self.calls: list[CallRecord] = []
        self.by_name: dict[str, TensorRecord] = {}
        self.path: list[tuple[str, Bindings]] = [("", Bindings())]
        self._inside = 0  # above zero while an operation computes: what it does inside is not part of the model
        self._thread = threading.get_ident()

    def __enter__(self) -> Recorder:
        self._thread = threading.get_ident()
        if self._thread in _active:
            raise RuntimeError("a trace is already being recorded in this thread; leave it before opening another")
        _active[self._thread] = self
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        del _active[self._thread]
        super().__exit__(*exception)

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """See every function of PyTorch that this thread calls; keep those that only move elements."""
        output = function(*args, **(kwargs or {}))
        # -1: no backward pass is running, whose own views and sums are not part of the model
        if not self._inside and function in MOVEMENTS and torch._C._current_graph_task_id() == -1:
            self._move(function, args, kwargs or {}, output)
        return output

    def _move(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        outputs = [item for item in (output if isinstance(output, (tuple, list)) else [output]) if isinstance(item, Tensor)]
        given = args[0] if args else None
        sources = [given] if isinstance(given, Tensor) else [item for item in given or () if isinstance(item, Tensor)]
        if not sources or any(out is source for out in outputs for source in sources):
            return
        movement = Movement(function, args, kwargs, [self.record(source) for source in sources], len(outputs))
        for place, source in enumerate(movement.sources):
            source.consumers.append((movement, place))
        for place, tensor in enumerate(outputs):
            record = self.record(tensor)
            if record.producer is None:
                record.producer, record.producer_place = movement, place
                movement.outputs[place] = record

    def record_call(
        self, operation: AnyOperation, inputs: tuple[Tensor | None, ...], options: dict[str, Any], apply: Callable[..., Tensor]
    ) -> Tensor:
        """Run one call of an operation and keep it with its inputs and output; its gradients come with the backward."""
        file, line = caller()
        call = CallRecord(operation, options, self.path[-1][0], file, line, len(self.calls))
        self._inside += 1
        try:
            output = apply(call, options, *inputs)
        finally:
            self._inside -= 1
        for place, tensor in enumerate(inputs):
            record = None if tensor is None else self.record(tensor)
            call.inputs.append(record)
            if record is not None:
                record.consumers.append((call, place))
        call.output = self.record(output)
        call.output.producer = call
        self.calls.append(call)
        return output

    def record(self, tensor: Tensor) -> TensorRecord:
        """The record of a tensor, new when it is first seen; the record keeps the tensor alive, so its id stays its own."""
        found = self.tensors.get(id(tensor))
        if found is None:
            found = self.tensors[id(tensor)] = TensorRecord(tensor, len(self.tensors))
        return found

    def note(self, name: str, tensor: Tensor, dimensions: str, symbol: str = "") -> None:
        """Name a tensor under the path of the module that is being called."""
        path, bindings = self.path[-1]
        names = parse(dimensions)
        full = f"{path}.{name}" if path else name
        bindings.bind(full, names, tensor.shape)
        file, line = caller()
        self.give_name(self.record(tensor), Name(full, names, symbol, path, file, line))

    def give_name(self, record: TensorRecord, name: Name) -> None:
        """Add a name to a record; a name that another tensor has already gets a number (`scores#2`)."""
        taken = self.by_name.get(name.name)
        if taken is record:
            record.names = [name if known.name == name.name and name.dimensions else known for known in record.names]
            return
        base, count = name.name, 1
        while name.name in self.by_name:
            count += 1
            name = name.renamed(f"{base}#{count}")
        record.names.append(name)
        self.by_name[name.name] = record
