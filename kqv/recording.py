"""What operations and models know of a trace: whether one is being recorded, and how a tensor gets its name.

A trace activates its recorder for one thread. Then every call of an operation goes through it, and `note` gives it
the names of tensors. Without one, nothing happens and nothing is computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from kqv.errors import TraceError

unseen = torch._C.DisableTorchFunction
"""`with unseen():` what PyTorch computes inside is not recorded: it is no part of the model."""


class Recorder(Protocol):
    """What keeps a pass: calls of operations, and names of tensors."""

    def note(self, name: str, tensor: Tensor, dimensions: str, symbol: str = "") -> None:
        """Name a tensor under the path of the module that is being called."""

    def record_call(
        self,
        operation: Any,
        inputs: tuple[Tensor | None, ...],
        options: dict[str, Any],
        apply: Callable[..., Tensor],
    ) -> Tensor:
        """Run one call of an operation and keep it with its inputs and output."""


_active: dict[int, Recorder] = {}  # by thread: a recorder sees only the thread that opened it


def activate(recorder: Recorder) -> int:
    """Let a recorder see this thread's passes; gives the thread. `TraceError` where another one does already."""
    thread = threading.get_ident()
    if thread in _active:
        raise TraceError("a trace is already being recorded in this thread; leave it before opening another")
    _active[thread] = recorder
    return thread


def deactivate(thread: int) -> None:
    """End what `activate` began in this thread."""
    del _active[thread]


def is_active(recorder: Recorder, thread: int) -> bool:
    """Whether this recorder sees the thread's passes."""
    return _active.get(thread) is recorder


def current_recorder() -> Recorder | None:
    """The recorder of this thread, if one is active."""
    return _active.get(threading.get_ident()) if _active else None


def recording() -> bool:
    """Whether this thread's pass is being recorded; models then take their written-out path."""
    return not torch.compiler.is_compiling() and current_recorder() is not None


def note(name: str, tensor: Tensor, dimensions: str, symbol: str = "") -> Tensor:
    """Name a tensor and its dimensions, and return it unchanged; without an active recorder nothing else happens.

    `note("scores", scores, "batch head query key")` inside a module at `blocks.0.attention` names the tensor
    `blocks.0.attention.scores`; outside of all modules the name stands alone. `symbol` is what a book calls it
    (z², a²). Raises `DimensionError` while recording when a dimension has another size than before in the same module
    call (`batch`, `model`, `vocab`: same pass).
    """
    if torch.compiler.is_compiling() or not _active:
        return tensor
    recorder = current_recorder()
    if recorder is not None:
        recorder.note(name, tensor, dimensions, symbol)
    return tensor
