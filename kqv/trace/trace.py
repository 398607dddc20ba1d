"""`Trace`: every tensor of a pass, forward, backward and update, with name, dimensions, formula and line of code."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from kqv.errors import TraceError
from kqv.models.modes import in_mode
from kqv.recording import unseen
from kqv.trace.ancestry import Path, path_back, walk_back
from kqv.trace.cells import Cell, read_cell
from kqv.trace.explain import explain_gradient, explain_lost, explain_update, explain_value
from kqv.trace.explanation import Explanation
from kqv.trace.meanings import Labels, Meanings
from kqv.trace.modules import named_tensors, unwrapped, watch
from kqv.trace.recorder import Recorder
from kqv.trace.records import Kind, Name, TensorRecord, require
from kqv.trace.update import NORM, Optimizer, UpdateRecord, take_step
from kqv.trace.window import Window, looking_through
from kqv.viewed import Viewed

POSITIONS = ("position", "source", "query", "key")
"""Dimensions that count the positions of a text."""


class Trace(Viewed):
    """Record what a module does: forward, backward and update.

        with Trace(model) as trace:
            loss = squared_error(model(x), y)
            loss.backward()
            trace.step(optimizer)
        trace["layers.0.z"].value, trace["layers.0.z"].gradient
        print(trace.cell("grad:layers.0.weight[7,300]"))

    The model runs in evaluation mode, or in training mode with `training=True` (dropout masks are then recorded); its
    own mode is restored at the end. Values are kept by reference, with a check that nothing changed them since. A
    module that is not of this package is traced by its submodules, without formulas. Only the thread that opened the
    trace is recorded. Without a module, calls of operations and notes are recorded alone. With a `window` only its
    blocks are recorded, which a long text may need.
    """

    def __init__(self, model: nn.Module | None = None, training: bool = False, window: Window | None = None) -> None:
        self.model = None if model is None else unwrapped(model)
        self.training = training
        self.window = window
        self.recorder = Recorder()
        self.updates: dict[str, UpdateRecord] = {}
        self.meanings = Meanings()
        self._stack: ExitStack | None = None
        self._parameter_names: dict[int, str] = {}

    def __enter__(self) -> Trace:
        if self._stack is not None or self.recorder.records:
            raise TraceError("this trace has recorded already; make a new Trace for another pass")
        with ExitStack() as stack:
            if "torch._dynamo" in sys.modules:  # compiled code would hide its operations
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(self.recorder)
            if self.model is not None:
                self._enter_model(self.model, stack)
            self._stack = stack.pop_all()
        return self

    def _enter_model(self, model: nn.Module, stack: ExitStack) -> None:
        stack.enter_context(in_mode(model, self.training))
        for name, tensor in named_tensors(model):
            kind: Kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
            record = self.recorder.record(tensor, kind=kind)
            self.recorder.give_name(record, Name(name, path=name.rpartition(".")[0]))
            self._parameter_names.setdefault(id(tensor), name)
        for handle in watch(model, self.recorder):
            stack.callback(handle.remove)
        if self.window is not None:
            stack.enter_context(looking_through(self.window, model, self.recorder))

    def __exit__(self, *exception: Any) -> None:
        assert self._stack is not None
        self._stack.__exit__(*exception)
        self._stack = None
        self.recorder.name_the_rest()

    @property
    def is_recording(self) -> bool:
        """Whether the `with` is still open."""
        return self._stack is not None

    @property
    def tensors(self) -> list[TensorRecord]:
        """Every named tensor, weights first, then in the order in which the pass met them."""
        self.recorder.name_the_rest()
        return [record for record in self.recorder.records if record.names]

    def __iter__(self) -> Iterator[TensorRecord]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: str) -> bool:
        self.recorder.name_the_rest()
        return name in self.recorder.by_name

    def __getitem__(self, name: str) -> TensorRecord:
        """The record of a tensor by any of its names; `TraceError` with close names where there is none."""
        self.recorder.name_the_rest()
        found = self.recorder.by_name.get(name)
        if found is None:
            last = name.rpartition(".")[2]
            close = [known for known in self.recorder.by_name if known.rpartition(".")[2] == last]
            known = close or list(self.recorder.by_name)
            more = f", … ({len(known) - 30} more)" if len(known) > 30 else ""
            raise TraceError(f"the trace has no tensor named {name!r}; it has: {', '.join(known[:30])}{more}")
        return found

    def _ipython_key_completions_(self) -> list[str]:
        """What `trace[<TAB>` offers in IPython and notebooks: every name."""
        self.recorder.name_the_rest()
        return list(self.recorder.by_name)

    def cell(self, text: str) -> Explanation:
        """The arithmetic of one number: `layers.1.z[0,7]`, `grad:layers.0.weight[7,300]`, `update:…`.

        Raises `TraceError` when there is no such tensor or position, or no gradient or update of it.
        """
        return self.explain(self.read(text))

    def read(self, text: str) -> Cell:
        """The cell that a text means, with its positions in the tensor's order; `TraceError` where there is none.

        Where the trace knows the words of positions, a word stands for its own: `scores[0,8,it,pizza]`. Of a word of
        several tokens that is the last one, and of several occurrences the last, or by number (`it#1`).
        """
        reading = read_cell(text)
        if reading.phase == "update":
            update = self.update_of(reading.name)
            tensor = update.remembered(reading.name)
            sizes = update.record.sizes if tensor is None else tuple(tensor.shape)
            return reading.resolve(update.dimensions_of(reading.name), sizes)
        record = self[reading.name]
        return reading.resolve(record.dimensions, record.sizes, partial(self._find, record))

    def _find(self, record: TensorRecord, dimension: str, word: str, example: int) -> int:
        """The position of a word along a dimension of a tensor."""
        from kqv.trace.views.words import find_word

        axis = record.dimensions.index(dimension) if dimension in record.dimensions else None
        words = [] if axis is None else self.meanings.of_axis(record.name, dimension, record.sizes[axis], example)
        if dimension not in POSITIONS or not any(words):
            raise TraceError(
                f"cannot find {word!r} along {dimension!r} of {record.name}{record.shape_text}: only positions of a "
                "text have words; write a whole number"
            )
        return find_word(words, word)[-1]

    def explain(self, cell: Cell) -> Explanation:
        """The same for a cell that was read."""
        with unseen():
            if cell.phase == "update":
                update = self.update_of(cell.name)
                found = explain_update(cell, update, self.updates)
            elif cell.phase == "backward":
                found = explain_gradient(cell, self[cell.name])
            else:
                found = explain_value(cell, self[cell.name])
        return replace(found, meaning_of=self.meaning)

    def _explain_even_lost(self, cell: Cell) -> Explanation:
        """The same; where the number was overwritten since, at least what it was computed from."""
        try:
            return self.explain(cell)
        except TraceError:
            if cell.phase != "forward" or self[cell.name].kept.unchanged:
                raise
            return replace(explain_lost(cell, self[cell.name]), meaning_of=self.meaning)

    def update_of(self, name: str) -> UpdateRecord:
        """The update of a parameter, or of what it used (`NAME.gradient`); `TraceError` where there is none."""
        for parameter in (name, name.rpartition(".")[0]):
            update = self.updates.get(parameter)
            if update is not None and (parameter == name or update.remembered(name) is not None):
                return update
        for update in reversed(self.updates.values()) if name == NORM else ():
            if update.clip is not None:
                return update
        if not self.updates:
            raise TraceError(f"there is no update of {name}: no optimizer's step was taken; use trace.step(optimizer)")
        raise TraceError(f"there is no update of {name}; updated were: {', '.join(list(self.updates)[:30])}")

    def value(self, cell: Cell) -> float:
        """The recorded number at a cell, without explaining it."""
        with unseen():
            if cell.phase == "update":
                update = self.update_of(cell.name)
                remembered = update.remembered(cell.name)
                return float((update.after if remembered is None else remembered)[cell.index])
            record = self[cell.name]
            tensor = record.value if cell.phase == "forward" else require(record.gradient, cell.name)
            return float(tensor[cell.index])

    def walk_back(self, text: str) -> Iterator[Cell]:
        """All cells that one number came from, nearest first, each once, down to inputs and weights."""
        return walk_back(self.read(text), self._explain_even_lost, self.__getitem__)

    def path_to_input(self, text: str) -> Path:
        """The chain of largest contributions from one number back to an input: a token's id, a pixel.

        From a gradient it leads back to the loss, where the backward pass started.
        """
        return path_back(self.read(text), self._explain_even_lost, self.__getitem__)

    def step(self, optimizer: Optimizer | torch.optim.Optimizer) -> None:
        """Take an optimizer's step and record it, inside the `with` or after it.

        Records keep the values from before the step; `update:NAME[…]` explains the new ones. Raises `TraceError` when
        no parameter has a gradient.
        """
        found = take_step(optimizer, self.recorder, self._name_of)
        self.updates.update({update.parameter: update for update in found})

    def _name_of(self, tensor: Tensor) -> str:
        return self._parameter_names.get(id(tensor), "parameter")

    def annotate(self, name: str = "", labels: Labels = (), dimension: str = "", text: str = "") -> None:
        """Say what positions stand for; it is shown beside the numbers.

            trace.annotate("ids", ["The", " pizza"])                       each element of a tensor
            trace.annotate("logits", class_names, dimension="class")       each position along a dimension of it
            trace.annotate(dimension="query", labels=["The", " pizza"])    in every tensor with that dimension
            trace.annotate("pixels", text="seven.png")                     the whole tensor

        Labels of a dimension may be one list, or one list for each example of the batch. Raises `TraceError` for a name
        that the trace does not have, or labels that do not fit.
        """
        record = self[name] if name else None
        if record is None and not dimension:
            raise TraceError("annotate needs the name of a tensor, a dimension, or both")
        name = record.name if record is not None else ""
        if text:
            self.meanings.describe(name, text)
        if dimension and labels:
            if record is not None and dimension not in record.dimensions:
                raise TraceError(f"{name}{record.shape_text} has no dimension {dimension!r}")
            self.meanings.label_axis(name, dimension, labels)
        elif record is not None and labels:
            self.meanings.label_elements(name, labels, record.sizes)

    def meaning(self, cell: Cell | str) -> str:
        """What a cell stands for, in the words that `annotate` gave; `""` without any."""
        return self.meanings.of(self.read(cell) if isinstance(cell, str) else cell)

    def table(self, width: int | None = None, modules: Sequence[str] | None = None, fold: bool = False) -> str:
        """All tensors as text for a terminal, grouped by module in the order of execution, parameters apart.

        `modules` limits the table to modules whose name begins with one of these; with `fold` the first of several
        blocks that are alike stands for all of them.
        """
        from kqv.trace.views.table import trace_table

        with unseen():
            return trace_table(self, width, modules, fold)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        state = "recording" if self.is_recording else f"{len(self.recorder.calls)} operations"
        return f"<Trace of {type(self.model).__name__ if self.model is not None else 'no module'}: {state}>"

    def _repr_html_(self) -> str:
        from kqv.trace.views.notebook import trace_html

        with unseen():
            return trace_html(self)
