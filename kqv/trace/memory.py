"""How much memory a trace holds, and how much that of a longer text will."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

from torch import Tensor

from kqv.memory import give_back_freed_memory
from kqv.trace.trace import Trace


def storages_of(trace: Trace) -> dict[int, int]:
    """The memory that a trace holds: bytes by address, views of one tensor counted once."""
    storages = (tensor.untyped_storage() for tensor in _tensors_of(trace))
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def bytes_held(trace: Trace) -> int:
    """How many bytes a trace holds, the model's weights among them."""
    return sum(storages_of(trace).values())


def bytes_expected(trace_of: Callable[[int], Trace], length: int) -> int:
    """How many bytes the trace of a text of so many tokens will hold; `trace_of(count)` traces its first few.

    Each tensor has a size that is constant, grows with the length or with its square, as scores do; so three short
    texts tell. The gradients that they leave with the model are dropped.
    """
    two, three, four = (_held_by_one(trace_of(count)) for count in (2, 3, 4))
    gc.collect()
    give_back_freed_memory()
    more = length - 2
    return two + more * (three - two) + more * (more - 1) // 2 * (four - 2 * three + two)


def _held_by_one(trace: Trace) -> int:
    """The bytes of a trace, and of the gradients that the model then has, which are dropped."""
    size = bytes_held(trace)
    if trace.model is not None:
        size += sum(parameter.grad.nbytes for parameter in trace.model.parameters() if parameter.grad is not None)
        trace.model.zero_grad()
    return size


def _tensors_of(trace: Trace) -> Iterator[Tensor]:
    for record in trace.recorder.records:
        yield record.tensor
        if record.received is not None:
            yield record.received.tensor
    for call in trace.recorder.calls:
        for kept in (call.gradient, *call.input_gradients):
            if kept is not None:
                yield kept.tensor
    for update in trace.updates.values():
        yield from (update.after, update.before, update.unclipped, *update.tensors().values())
