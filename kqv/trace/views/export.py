"""A trace as files: `trace.json` with names, dimensions, formulas and summaries, and the numbers as safetensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kqv.dimensions import VOCABULARY
from kqv.errors import TraceError
from kqv.files import make_folder, write_text
from kqv.files.reading import read_text
from kqv.files.temporary import new_folder, remove_leftovers
from kqv.recording import unseen
from kqv.trace.records import TensorRecord
from kqv.trace.update import NORM
from kqv.trace.views.summary import Summary

if TYPE_CHECKING:
    from kqv.trace.trace import Trace

FORMAT = "kqv-trace-1"
_FILES = ("trace.json", "values.safetensors", "gradients.safetensors", "updates.safetensors")


def write_json(trace: Trace, folder: str | Path) -> Path:
    """Write a trace into a folder; the folder appears whole, or not at all.

    An earlier trace in the folder is replaced. Raises `TraceError` when something else stands there.
    """
    folder = Path(folder)
    _refuse_what_is_no_trace(folder)
    make_folder(folder.parent)
    remove_leftovers(folder.parent, folder.name)
    with new_folder(folder.parent, folder.name) as temporary:
        part = temporary / "trace"
        part.mkdir()
        with unseen():
            _write_files(trace, part)
        if folder.exists():
            folder.rename(temporary / "old")
        part.rename(folder)
    return folder


def _refuse_what_is_no_trace(folder: Path) -> None:
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {"a file"}
    if names and (not names <= set(_FILES) or "trace.json" not in names):
        raise TraceError(f"{folder} holds something that is not a trace; choose another folder, or remove it yourself")


def _write_files(trace: Trace, folder: Path) -> None:
    values: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    updates: dict[str, Tensor] = {}
    described = [_describe_and_collect(trace, record, values, gradients) for record in trace.tensors]
    for name, update in trace.updates.items():
        updates[name] = update.after
        updates.update({f"{name}.{key}": tensor for key, tensor in update.tensors().items()})
        if update.clip is not None:
            updates[NORM], updates[f"{name}.{NORM}"] = update.clip.norm, update.clip.norms[name]
    content = {**describe_pass(trace), "tensors": described}
    for file, tensors in zip(_FILES[1:], (values, gradients, updates), strict=True):
        save_file({name: _plain(tensor) for name, tensor in tensors.items()}, folder / file)
    write_text(folder / "trace.json", json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(tensor: Tensor) -> Tensor:
    """A tensor of its own memory, as safetensors wants it."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def describe_pass(trace: Trace) -> dict[str, Any]:
    """What a trace says of the whole pass: the model, the mode, the dimensions' meanings, the updates' settings."""
    used = {dimension for record in trace.tensors for dimension in record.dimensions}
    return {
        "format": FORMAT,
        "model": None if trace.model is None else type(trace.model).__name__,
        "training": trace.training,
        "dimensions": {name: meaning for name, meaning in VOCABULARY.items() if name in used},
        "updates": {
            name: {
                "rule": u.name,
                "formula": u.formula,
                "settings": u.settings,
                "state": list(u.state),
                "computed": list(u.shown),
                "clip": None if u.clip is None else u.clip.most,
                "location": str(u.location),
                "step": u.occasion,
            }
            for name, u in trace.updates.items()
        },
    }


def describe_tensor(trace: Trace, record: TensorRecord) -> dict[str, Any]:
    """Names, dimensions, formula, source line and summaries of one tensor, and what it was made from."""
    value, gradient = record.readable_value, record.readable_gradient
    return {
        "name": record.name,
        "aliases": record.aliases,
        "module": record.path,
        "kind": record.kind,
        "symbol": record.symbol,
        "dimensions": list(record.dimensions),
        "sizes": list(record.sizes),
        "dtype": str(record.tensor.dtype).removeprefix("torch."),
        "origin": record.origin,
        "formula": record.formula,
        "gradient formulas": gradient_formulas(record),
        "options": {} if record.producer is None else record.producer.options_told(),
        "location": str(record.location),
        "named at": str(record.named_at),
        "summary": None if value is None else Summary.of(value).as_dict(),
        "gradient summary": None if gradient is None else Summary.of(gradient).as_dict(),
        "meaning": trace.meanings.texts.get(record.name, ""),
        "labels": list(trace.meanings.elements.get(record.name, ())),
        "axis labels": trace.meanings.of_axes(record.name, record.dimensions, record.sizes),
    }


def gradient_formulas(record: TensorRecord) -> list[dict[str, str]]:
    """For each kind of use that contributes to the gradient: which input of which operation, and the formula."""
    found: dict[str, str] = {}
    for consumer, position in record.consumers:
        use = consumer.use_of(position)
        if use is not None:
            found[use[0]] = use[1]
    return [{"use": use, "formula": formula} for use, formula in found.items()]


def _describe_and_collect(
    trace: Trace, record: TensorRecord, values: dict[str, Tensor], gradients: dict[str, Tensor]
) -> dict[str, Any]:
    found, keys = describe_tensor(trace, record), {}
    for kind, tensor, collected in (
        ("values", record.readable_value, values),
        ("gradients", record.readable_gradient, gradients),
    ):
        keys[kind] = None if tensor is None else record.name
        if tensor is not None:
            collected[record.name] = tensor
    keys["updates"] = record.name if record.name in trace.updates else None
    return {**found, "keys": keys}


@dataclass(frozen=True)
class StoredTrace:
    """A trace that was read from files."""

    content: dict[str, Any]
    values: dict[str, Tensor]
    gradients: dict[str, Tensor]
    updates: dict[str, Tensor]


def read_json(folder: str | Path) -> StoredTrace:
    """Read what `write_json` wrote; raises `TraceError` for a folder that is not a trace."""
    folder = Path(folder)
    try:
        content = json.loads(read_text(folder / "trace.json"))
        tensors = [load_file(folder / name) for name in _FILES[1:]]
    except (OSError, ValueError) as failure:
        raise TraceError(f"{folder} is not a complete trace: {failure}") from None
    if content.get("format") != FORMAT:
        raise TraceError(f"{folder} is not a trace in the format {FORMAT}")
    return StoredTrace(content, *tensors)
