"""`Trace`: every tensor of a pass, forward, backward and update, with its name, dimensions, formula and line of code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from kqv.dimensions import Bindings
from kqv.errors import TraceError
from kqv.trace.cells import Cell, parse_cell
from kqv.trace.explain import Explanation, explain, operands
from kqv.trace.movements import Movement
from kqv.trace.recorder import Recorder
from kqv.trace.records import CallRecord, Name, TensorRecord


class Trace:
    """Record what a module does.

        with Trace(model) as trace:
            loss = squared_error(model(x), y)
            loss.backward()
        trace["layers.0.z"].value, trace["layers.0.z"].gradient
        print(trace.cell("grad:layers.0.weight[7,300]"))

    The model runs in evaluation mode, or in training mode with `training=True` (dropout masks are then recorded).
    A module that is not of this package is traced by its submodules, without formulas.
    """

    def __init__(self, model: nn.Module, training: bool = False) -> None:
        self.model = model
        self.training = training
        self.recorder = Recorder()
        self.updates: dict[str, Any] = {}
        self._was_training: list[tuple[nn.Module, bool]] = []
        self._handles: list[RemovableHandle] = []
        self._stance: AbstractContextManager[Any] | None = None

    def __enter__(self) -> Trace:
        if "torch._dynamo" in sys.modules:  # compiled code would hide its operations
            import torch

            self._stance = torch.compiler.set_stance("force_eager")
            self._stance.__enter__()
        self._was_training = [(module, module.training) for module in self.model.modules()]
        self.model.train(self.training)
        self.recorder.__enter__()
        for name, tensor in [*self.model.named_parameters(remove_duplicate=False), *self.model.named_buffers()]:
            self.recorder.give_name(self.recorder.record(tensor), Name(_plain(name), (), path=_plain(name).rpartition(".")[0]))
        for name, module in self.model.named_modules():
            self._watch(_plain(name), module)
        return self

    def __exit__(self, *exception: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.recorder.__exit__(*exception)
        for module, training in self._was_training:
            module.training = training
        if self._stance is not None:
            self._stance.__exit__(*exception)
            self._stance = None
        self._name_the_rest()

    def _watch(self, path: str, module: nn.Module) -> None:
        recorder = self.recorder

        def enter(module: nn.Module, inputs: Any) -> None:
            if _mine(recorder):
                recorder.path.append((path, recorder.path[0][1].call()))

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            if _mine(recorder):
                recorder.path.pop()
                if isinstance(output, Tensor) and not type(module).__module__.startswith("kqv."):
                    record = recorder.record(output)
                    if not record.names:
                        recorder.give_name(record, Name(f"{path}.output" if path else "output", (), path=path))

        self._handles.append(module.register_forward_pre_hook(enter))
        self._handles.append(module.register_forward_hook(leave, always_call=True))

    def _name_the_rest(self) -> None:
        """Name what model code left without a name: outputs of operations by the operation, the rest as given."""
        for record in list(self.recorder.tensors.values()):
            if record.names or isinstance(record.producer, Movement):
                continue
            if isinstance(record.producer, CallRecord):
                call = record.producer
                name = f"{call.path}.{call.operation.name}" if call.path else call.operation.name
                self.recorder.give_name(record, Name(name, (), path=call.path, file=call.file, line=call.line))
            else:
                self.recorder.give_name(record, Name("given", ()))

    @property
    def tensors(self) -> list[TensorRecord]:
        """Every named tensor, in the order in which the pass first met it."""
        return [record for record in self.recorder.tensors.values() if record.names]

    def __iter__(self) -> Iterator[TensorRecord]:
        return iter(self.tensors)

    def __getitem__(self, name: str) -> TensorRecord:
        found = self.recorder.by_name.get(name)
        if found is None:
            close = [known for known in self.recorder.by_name if known.rpartition(".")[2] == name.rpartition(".")[2]]
            known = close or list(self.recorder.by_name)
            raise TraceError(f"the trace has no tensor named {name!r}; it has: {', '.join(known[:40])}")
        return found

    def cell(self, text: str) -> Explanation:
        """The arithmetic of one number: `layers.1.z[0,7]`, `grad:layers.0.weight[7,300]`, `update:…`.

        Raises `TraceError` when there is no such tensor or place.
        """
        cell = parse_cell(text)
        return explain(cell, self[cell.name], self._call)

    @staticmethod
    def _call(call: CallRecord) -> Any:
        return call.operation.call(operands(call), call.options)

    def walk_back(self, text: str) -> Iterator[Cell]:
        """All cells of the forward pass that one number came from, nearest first, each once."""
        raise NotImplementedError


def _plain(name: str) -> str:
    return name.replace("_orig_mod.", "").replace("module.", "", 1) if name.startswith("module.") else name.replace("_orig_mod.", "")


def _mine(recorder: Recorder) -> bool:
    from kqv.trace.recorder import current_recorder

    return current_recorder() is recorder


__all__ = ["Bindings", "Trace"]
