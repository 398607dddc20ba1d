"""Files of tensors (safetensors with a JSON header), and a model's weights in and out of them. Nothing is pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from kqv.errors import ADVICE, RunError
from kqv.files import parsed_json, reason, written_atomically
from kqv.files.directory import Directory
from kqv.files.reading import open_regular
from kqv.sharded import own_rows, rows_like

Tensors = dict[str, Tensor]
Content = TypeVar("Content")

_SEAL = "seal"
_KINDS = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def all_finite(tensors: Tensors) -> bool:
    """Whether no number is infinite or none at all (NaN)."""
    checks = [tensor.isfinite().all() for tensor in tensors.values() if tensor.is_floating_point()]
    return not checks or bool(torch.stack([check.cpu() for check in checks]).all())


def weights_of(model: nn.Module) -> Tensors:
    """Weights and buffers by name, each shared tensor once."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    kept = set(model.state_dict(keep_vars=True))
    return {name: tensor.detach() for name, tensor in named.items() if name in kept}


def learned_count(model: nn.Module) -> int:
    """How many numbers a model learns: weights, and biases where it has any."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def put_weights(model: nn.Module, tensors: Tensors, origin: str) -> None:
    """Copy weights into a model; raise `RunError` that names the first tensor that does not fit, and how."""
    own = weights_of(model)
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors:
            raise RunError(
                f"{origin} lacks the tensor {name}{list(own[name].shape)}; it is damaged or of another model"
            )
        if name not in own:
            raise RunError(f"{origin} has a tensor {name} that the model does not; it is of another model")
        fits(name, tensors[name], own[name], origin)
    with torch.no_grad():
        for name, tensor in own.items():
            own_rows(tensor).copy_(rows_like(tensors[name], tensor))


def fits(name: str, given: Tensor, wanted: Tensor, origin: str) -> None:
    """Raise `RunError` unless a tensor that was read has the shape and kind of the wanted one, and finite numbers."""
    if given.shape != wanted.shape:
        raise RunError(f"{origin}: {name} has shape {list(given.shape)}, but the model expects {list(wanted.shape)}")
    if given.dtype != wanted.dtype:
        raise RunError(f"{origin}: {name} holds {given.dtype} numbers, but the model expects {wanted.dtype}")
    if not all_finite({name: given}):
        raise RunError(f"{origin} is damaged: {name} has numbers that are infinite or none at all; {ADVICE}")


def write_tensors(
    path: Path, tensors: Tensors, header: dict[str, Any] | None = None, run: str | None = None,
    directory: Directory | None = None,
) -> None:  # fmt: skip
    """Write tensors to a safetensors file, atomically; in the held `directory`, where one is given.

    With a JSON header comes a seal: a digest of it and of the tensors, and the identity of the `run` that they belong
    to. Raises `Error` in one line when the disk refuses.
    """
    with written_atomically(path) if directory is None else directory.replaced(path.name) as file:
        write_to(file, tensors, header, run)


def write_to(file: BinaryIO, tensors: Tensors, header: dict[str, Any] | None, run: str | None) -> None:
    """Write tensors in safetensors' format: the length of the description, the description as JSON, the numbers.

    These go to the file as they lie in memory, without a copy.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"format": "pt"}
    if header is not None:  # one entry alone, as other writers of the format do not keep the order of several
        seal = {"sha256": digest(on_cpu, header), "run": run}
        metadata = {"kqv": json.dumps(header | {_SEAL: seal}, allow_nan=False)}
    order = sorted(on_cpu, key=lambda name: (-on_cpu[name].element_size(), name))  # so that each stands aligned
    described: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name in order:
        begin, end = end, end + on_cpu[name].nbytes
        shape = list(on_cpu[name].shape)
        described[name] = {"dtype": _KINDS[on_cpu[name].dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(described, separators=(",", ":"), allow_nan=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        file.write(_bytes_of(on_cpu[name]))


def digest(tensors: Tensors, header: dict[str, Any] | None = None) -> str:
    """SHA-256 of tensors, with their names, kinds and shapes, and of a JSON header."""
    described = {name: [_KINDS.get(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
    found = hashlib.sha256(json.dumps([header, described], sort_keys=True, allow_nan=False).encode())
    for name in sorted(tensors):
        found.update(_bytes_of(tensors[name].detach().cpu().contiguous()))
    return found.hexdigest()


def _bytes_of(tensor: Tensor) -> memoryview:
    """A contiguous tensor's memory as bytes, without a copy."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def read_tensors(path: Path, run: str | None = None) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and JSON header of a safetensors file; `RunError` when it is missing or damaged, or does not belong to
    the `run` of an identity. Files without a seal are taken as they are, except for such a run."""
    tensors, header, seal = opened(
        path,
        lambda file: ({name: file.get_tensor(name) for name in file.keys()}, header_of(file), _seal_of(file)),  # noqa: SIM118
    )
    if run is not None and seal.get("run") != run:
        raise RunError(f"{path} does not belong to this run, but to another one or to none: {ADVICE}")
    if seal and seal.get("sha256") != digest(tensors, header):
        raise RunError(f"{path} is damaged: what it holds is not what was written (its checksum differs): {ADVICE}")
    return tensors, header


def header_of(file: Any) -> dict[str, Any]:
    """The JSON header of an open file."""
    header: dict[str, Any] = _metadata_of(file)
    return {key: value for key, value in header.items() if key != _SEAL}


def _seal_of(file: Any) -> dict[str, Any]:
    seal = _metadata_of(file).get(_SEAL, {})
    if not isinstance(seal, dict):
        raise ValueError("its seal is none")
    return seal


def _metadata_of(file: Any) -> dict[str, Any]:
    header = parsed_json((file.metadata() or {}).get("kqv", "{}"))
    if not isinstance(header, dict):
        raise ValueError("its header is not JSON object")
    return header


def opened(path: Path, use: Callable[[Any], Content]) -> Content:
    """What `use` reads from a safetensors file; the ways in which it can fail as `RunError`."""
    try:
        open_regular(path).close()  # the library would wait for a pipe's writer
        with safe_open(path, framework="pt") as file:
            return use(file)
    except FileNotFoundError:
        raise RunError(f"{path} is missing, so the run is damaged: {ADVICE}") from None
    except OSError as failure:
        raise RunError(f"{path} cannot be read: {reason(failure)}") from None
    except (SafetensorError, ValueError, RecursionError) as failure:
        raise RunError(f"{path} is damaged ({failure}): {ADVICE}") from None
