"""Recording: what happens in a pass, kept by reference: calls of operations, movements of elements, names.

`note` gives a tensor its name and dimensions in model code. While a `Recorder` is active in a thread, every call of an
operation is kept with its inputs, output and gradients; views, slices, joins and copies are kept as movements; other
functions of PyTorch as foreign calls, whose formula is not known here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from kqv import recording
from kqv.dimensions import Bindings, parse
from kqv.operations.operation import Operation
from kqv.recording import unseen
from kqv.trace.kept import Kept
from kqv.trace.location import NOWHERE, caller
from kqv.trace.movements import MOVEMENTS, Movement, moves
from kqv.trace.records import CallRecord, ForeignCall, Kind, Name, TensorRecord

_NOT_OF_THE_MODEL = {vars(torch._C.TensorBase)["grad"].__get__, torch.autograd.grad}
_ONLY_LOOK_AT_SHAPES = {  # what they make does not come from the numbers that they are given
    *(getattr(torch, f"{name}_like") for name in ("empty", "zeros", "ones", "full", "rand", "randn", "randint")),
    *(getattr(Tensor, f"new_{name}") for name in ("empty", "zeros", "ones", "full", "tensor")),
}


_PASSED_OVER = _NOT_OF_THE_MODEL | _ONLY_LOOK_AT_SHAPES


class Recorder(TorchFunctionMode):
    """Keeps calls, movements and names of the passes of one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[TensorRecord] = []
        self.calls: list[CallRecord] = []
        self.by_name: dict[str, TensorRecord] = {}
        self.path: list[tuple[str, Bindings]] = [("", Bindings())]
        self.thread = 0
        self.leaf_hooks: list[RemovableHandle] = []
        self._by_id: dict[int, TensorRecord] = {}  # a record keeps its tensor alive, so the id stays its own
        self._uses_of_name: dict[str, int] = {}
        self._all_named = -1  # records of which each was named, when the pass was over
        self._constants = WeakTensorKeyDictionary()
        self.keeps_gradients: Callable[[int], bool] = lambda call: True
        self._rests = False
        self._let_pass = WeakTensorKeyDictionary()  # names that were given while it rested

    def __enter__(self) -> Recorder:
        self.thread = recording.activate(self)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        recording.deactivate(self.thread)
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        del self.path[1:]
        for hook in self.leaf_hooks:
            hook.remove()
        self.leaf_hooks.clear()
        with unseen():
            for record in self.records:
                record.leave_graph()
        self._by_id = {at: record for at, record in self._by_id.items() if id(record.tensor) == at}

    @property
    def is_active(self) -> bool:
        """Whether it is still recording."""
        return recording.is_active(self, self.thread)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Inside the `with` operations compute as ever, but nothing is kept but names, for what comes out of it."""
        before, depth = self._rests, len(self.path)
        self._rests = True
        try:
            yield
        finally:
            self._rests = before
            del self.path[depth:]

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See every function of PyTorch that this thread calls; keep those that make tensors of tensors."""
        output = function(*args, **(kwargs or {}))
        made = isinstance(output, (Tensor, tuple, list)) and not isinstance(output, torch.Size)
        is_forward = torch._C._current_graph_task_id() == -1  # a backward's own views and sums are no part of the model
        if (made or function is Tensor.__setitem__) and is_forward and function not in _PASSED_OVER:
            with unseen():
                self._keep(function, args, kwargs or {}, output)
        return output

    def _keep(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        given = args[0] if args else None
        if function in MOVEMENTS:
            sources, outputs = _tensors(given), _tensors(output)
            if any(made is source for made in outputs for source in sources):
                return  # contiguous() of a contiguous tensor: nothing moved
            if moves(function, sources, outputs):
                moved = [self.record(source) for source in sources]
                self._keep_movement(Movement(function, args, kwargs, moved, self.path[-1][0], caller()), outputs)
                return
        sources = _tensors((args, tuple(kwargs.values())))
        outputs = _tensors(given if function is Tensor.__setitem__ else output)
        changed = [made for made in outputs if any(made is source for source in sources)]
        if all(self._is_known_unchanged(made) for made in changed):
            outputs = [made for made in outputs if not any(made is known for known in changed)]
        if not any(tensor.is_floating_point() for tensor in (*sources, *outputs)) and all(
            source in self._constants and id(source) not in self._by_id for source in sources
        ):
            self._constants.update(dict.fromkeys(outputs))  # counted, or made of such: positions, a mask of ones
        elif outputs:
            self._keep_foreign(getattr(function, "__name__", "function"), sources, outputs)

    def _is_known_unchanged(self, tensor: Tensor) -> bool:
        record = self._by_id.get(id(tensor))
        return record is None or record.kept.unchanged

    def _keep_movement(self, movement: Movement, outputs: list[Tensor]) -> None:
        for position, source in enumerate(movement.sources):
            source.consumers.append((movement, position))
        for position, tensor in enumerate(outputs):
            record = self.record(tensor, is_result=True)
            if record.producer is None:
                record.producer, record.producer_position = movement, position
                movement.outputs[position] = record

    def _keep_foreign(self, name: str, sources: list[Tensor], outputs: list[Tensor]) -> None:
        name = name.strip("_") if name != "__get__" else "property"
        self._keep_call(ForeignCall(name, self.path[-1][0], caller()), sources, outputs)

    def _keep_call(self, call: ForeignCall, sources: list[Tensor], outputs: list[Tensor]) -> None:
        known = [self._by_id.get(id(source)) for source in sources]  # before a change in place makes a new record
        call.sources = [record or self.record(source) for record, source in zip(known, sources, strict=True)]
        for position, source in enumerate(call.sources):
            source.consumers.append((call, position))
        for position, tensor in enumerate(outputs):
            record = self.record(tensor, changed_by=call, is_result=True)
            if record.producer in (None, call):
                record.producer, record.producer_position = call, position
                call.outputs.append(record)
                self._await_gradient(record, tensor)

    def record_call(
        self,
        operation: Operation,
        inputs: tuple[Tensor | None, ...],
        options: dict[str, Any],
        apply: Callable[..., Tensor],
    ) -> Tensor:
        """Run one call of an operation and keep it with its inputs and output; its gradients come with the backward."""
        if self._rests:
            return apply(None, options, *inputs)
        with unseen():
            call = CallRecord(operation, options, self.path[-1][0], caller(), len(self.calls))
            for position, tensor in enumerate(inputs):
                record = None if tensor is None else self.record(tensor)
                call.inputs.append(record)
                if record is not None:
                    record.consumers.append((call, position))
            call.differentiated = tuple(tensor is not None and tensor.requires_grad for tensor in inputs)
            output = apply(call if self.keeps_gradients(call.number) else None, options, *inputs)
            if any(output is tensor for tensor in inputs):
                output = output.view_as(output)  # what goes in and what comes out are recorded apart
            call.output = self.record(output, is_result=True)
            call.output.producer = call
            self.calls.append(call)
        return output

    def record(
        self,
        tensor: Tensor,
        changed_by: ForeignCall | None = None,
        kind: Kind = "activation",
        is_result: bool = False,
    ) -> TensorRecord:
        """The record of a tensor: a new one when it is first seen, and when it was changed in place since.

        The gradient of something given is awaited; that of a result comes through what is recorded behind it.
        """
        found = self._by_id.get(id(tensor))
        if found is not None and found.kept.unchanged:
            return found
        record = TensorRecord(tensor, len(self.records), kind)
        if found is not None:  # the old record stays, and keeps the object alive too
            record.kind = found.kind
            record.producer = changed_by or ForeignCall("change in place", self.path[-1][0], NOWHERE, [found], [record])
        self.records.append(record)
        self._by_id[id(tensor)] = record
        if not is_result:
            self._await_gradient(record, tensor)
        return record

    def keep_unrecorded(self, call: ForeignCall, sources: list[Tensor], outputs: list[Tensor]) -> None:
        """Keep what went in and came out of a part in which nothing was recorded."""
        self._keep_call(call, sources, outputs)
        for made in call.outputs:
            if made.tensor in self._let_pass:
                self.give_name(made, self._let_pass[made.tensor])

    def await_gradient(self, tensor: Tensor) -> None:
        """Keep the gradient that comes to a tensor which was recorded before it could have one."""
        with unseen():
            self._await_gradient(self.record(tensor), tensor)

    def leave_to_uses(self, tensor: Tensor) -> None:
        """Keep no gradient for a tensor itself: it is the sum of what its uses contribute, each of which is kept."""
        hook = self.record(tensor).hook
        if hook is not None:
            hook.remove()

    def forget(self, tensor: Tensor) -> None:
        """Let the next use of this tensor begin a new record: the optimizer gave it new numbers."""
        record = self._by_id.pop(id(tensor), None)
        if record is not None and record.hook is not None:
            record.hook.remove()

    def note(self, name: str, tensor: Tensor, dimensions: str, symbol: str = "") -> None:
        """Name a tensor under the path of the module that is being called."""
        path, bindings = self.path[-1]
        names = parse(dimensions)
        full = f"{path}.{name}" if path else name
        with unseen():
            given = Name(full, names, symbol, path, caller())
            if self._rests:
                self._let_pass[tensor] = given
                return
            bindings.bind(full, names, tensor.shape)
            record = self.record(tensor)
            self._await_gradient(record, tensor)
        self.give_name(record, given)

    def suggest_name(self, tensor: Tensor, name: Name) -> None:
        """A name for a tensor, taken only when the model gives it none; of several the first, the innermost."""
        if self._rests:
            return
        record = self.record(tensor)
        if record.likely_name is None:
            record.likely_name = name
            self._await_gradient(record, tensor)

    def name_the_rest(self) -> None:
        """Name what nobody named: results by their module or function, the rest by what it was given to."""
        if self._all_named == len(self.records):
            return
        self._all_named = -1 if self.is_active else len(self.records)
        for record in self.records:
            if record.names:
                continue
            found, producer = record.likely_name, record.producer
            if found is None and producer is not None and producer.name_of_result:
                found = Name(producer.name_of_result, path=producer.path, location=producer.location)
            elif found is None and producer is None and _is_used(record):
                found = _name_by_use(record)
            if found is not None:
                self.give_name(record, found)

    def give_name(self, record: TensorRecord, name: Name) -> None:
        """Add a name to a record; a name that another tensor has already gets a number (`scores#2`)."""
        for position, known in enumerate(record.names):
            if known.name.partition("#")[0] == name.name:
                record.names[position] = name.renamed(known.name) if name.dimensions else known
                return
        count = self._uses_of_name[name.name] = self._uses_of_name.get(name.name, 0) + 1
        if count > 1:
            name = name.renamed(f"{name.name}#{count}")
        record.names.append(name)
        self.by_name[name.name] = record

    def name_parameter(self, record: TensorRecord, name: str) -> None:
        """Name a parameter as its module does; the dimensions come when the module notes it."""
        self.give_name(record, Name(name, path=name.rpartition(".")[0]))

    def _await_gradient(self, record: TensorRecord, tensor: Tensor) -> None:
        """Keep the gradient that PyTorch brings to this tensor; outputs of operations get theirs from their call."""
        if (
            not tensor.requires_grad
            or record.hook is not None
            or not self.is_active
            or (record.producer is not None and record.producer.keeps_gradients)
        ):
            return
        is_leaf, thread = tensor.is_leaf, self.thread

        def keep(gradient: Tensor) -> None:
            if not gradient.is_cuda and threading.get_ident() != thread:
                return  # another thread trains the same model
            with unseen():
                before = record.received if is_leaf else None
                record.received = Kept.of(gradient if before is None else before.tensor + gradient)

        with unseen():
            record.hook = tensor.register_hook(keep)  # type: ignore[no-untyped-call]
        if is_leaf and record.hook is not None:
            self.leaf_hooks.append(record.hook)


def _is_used(record: TensorRecord) -> bool:
    """Whether anything computes with this tensor, or with what its elements were moved to."""
    return any(
        not consumer.moves or any(made.names or _is_used(made) for made in consumer.made())
        for consumer, _ in record.consumers
    )


def _name_by_use(record: TensorRecord) -> Name:
    """The name of something given: what the first operation that takes it calls it."""
    for consumer, position in record.consumers:
        if not consumer.moves:
            return Name(consumer.name_of_input(position), path=consumer.path, location=consumer.location)
    return Name("given")


def _tensors(item: Any) -> list[Tensor]:
    """The tensors in an argument or a result, also those in tuples, lists and dictionaries."""
    if isinstance(item, Tensor):
        return [item]
    if isinstance(item, dict):
        item = tuple(item.values())
    if isinstance(item, (tuple, list)):
        return [tensor for part in item for tensor in _tensors(part)]
    return []
