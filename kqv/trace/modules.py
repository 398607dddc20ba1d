"""Following a model's modules while it runs: which one is being called, and what each gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from kqv.dimensions import Bindings
from kqv.recording import current_recorder, unseen
from kqv.trace.recorder import Recorder
from kqv.trace.records import Name

_WRAPPERS = {"OptimizedModule": "_orig_mod", "DistributedDataParallel": "module", "DataParallel": "module"}


def unwrapped(module: nn.Module) -> nn.Module:
    """The model itself, without what `torch.compile` and data parallel training put around it."""
    while type(module).__name__ in _WRAPPERS:
        module = getattr(module, _WRAPPERS[type(module).__name__])
    return module


def plain(name: str) -> str:
    """A parameter's or module's name without the part that `torch.compile` adds."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name; one that has several names comes under each."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        yield plain(name), parameter
    for name, buffer in model.named_buffers(remove_duplicate=False):
        yield plain(name), buffer


def watch(model: nn.Module, recorder: Recorder) -> list[RemovableHandle]:
    """Tell the recorder of every call of a module, until the handles are removed."""
    handles: list[RemovableHandle] = []
    for name, module in model.named_modules():
        if type(module).__name__ not in _WRAPPERS:
            handles += _watch_one(plain(name), module, recorder)
    return handles


def _watch_one(path: str, module: nn.Module, recorder: Recorder) -> list[RemovableHandle]:
    def enter(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        if current_recorder() is not recorder:
            return
        if not path:  # a new pass through the whole model: batch and the like may have other sizes
            recorder.path[0] = ("", Bindings())
            for position, item in enumerate((*inputs, *options.values())):
                _suggest(recorder, item, "input" if position == 0 else f"input.{position}", path)
        recorder.path.append((path, recorder.path[0][1].call()))

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if current_recorder() is not recorder:
            return
        if len(recorder.path) > 1:
            recorder.path.pop()
        _suggest(recorder, output, f"{path}.output" if path else "output", path)

    return [
        module.register_forward_pre_hook(enter, with_kwargs=True),
        module.register_forward_hook(leave, always_call=True),
    ]


def _suggest(recorder: Recorder, item: Any, name: str, path: str) -> None:
    """A name for the tensors of an input or output, should nobody give them one."""
    if isinstance(item, Tensor):
        with unseen():
            recorder.suggest_name(item, Name(name, path=path))
    elif isinstance(item, dict):
        for key, part in item.items():
            _suggest(recorder, part, f"{name}.{key}", path)
    elif isinstance(item, (tuple, list)):
        for position, part in enumerate(item):
            _suggest(recorder, part, name if position == 0 else f"{name}.{position}", path)
