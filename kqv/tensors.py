"""Files of tensors (safetensors with a JSON header), and a model's weights in and out of them. Nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kqv.errors import ADVICE, RunError
from kqv.files import reason, written_atomically

Tensors = dict[str, Tensor]
Content = TypeVar("Content")


def all_finite(tensors: Tensors) -> bool:
    """Whether no number is infinite or none at all (NaN)."""
    checks = [tensor.isfinite().all() for tensor in tensors.values() if tensor.is_floating_point()]
    return not checks or bool(torch.stack([check.cpu() for check in checks]).all())


def weights_of(model: nn.Module) -> Tensors:
    """Weights and buffers by name, each shared tensor once."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    kept = set(model.state_dict(keep_vars=True))
    return {name: tensor.detach() for name, tensor in named.items() if name in kept}


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
            tensor.copy_(tensors[name])


def fits(name: str, given: Tensor, wanted: Tensor, origin: str) -> None:
    """Raise `RunError` unless a tensor that was read has the shape and kind of the wanted one, and finite numbers."""
    if given.shape != wanted.shape:
        raise RunError(f"{origin}: {name} has shape {list(given.shape)}, but the model expects {list(wanted.shape)}")
    if given.dtype != wanted.dtype:
        raise RunError(f"{origin}: {name} holds {given.dtype} numbers, but the model expects {wanted.dtype}")
    if not all_finite({name: given}):
        raise RunError(f"{origin} is damaged: {name} has numbers that are infinite or none at all; {ADVICE}")


def write_tensors(path: Path, tensors: Tensors, header: dict[str, Any] | None = None) -> None:
    """Write tensors and a JSON header to a safetensors file, atomically."""
    # one entry alone: safetensors writes several in a random order, and files could not be compared
    metadata = {"format": "pt"} if header is None else {"kqv": json.dumps(header)}
    with written_atomically(path) as temporary:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(contiguous, temporary, metadata=metadata)
            temporary.chmod(mode)  # safetensors leaves files that only their owner may read
        except SafetensorError as failure:  # it wraps the system's errors: a full or read-only disk
            raise _as_os_error(failure) from None


def _as_os_error(failure: SafetensorError) -> OSError:
    """The system's error inside safetensors' own, which carries its number as text: `(os error 28)`."""
    text = str(failure)
    number = text.rpartition("os error ")[2].split(")")[0]
    return OSError(int(number) if number.isdigit() else 0, text)


def read_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and JSON header of a safetensors file; `RunError` when it is missing or damaged."""
    return opened(path, lambda file: ({name: file.get_tensor(name) for name in file.keys()}, header_of(file)))  # noqa: SIM118


def header_of(file: Any) -> dict[str, Any]:
    """The JSON header of an open file."""
    header: dict[str, Any] = json.loads((file.metadata() or {}).get("kqv", "{}"))
    return header


def opened(path: Path, use: Callable[[Any], Content]) -> Content:
    """What `use` reads from a safetensors file; the ways in which it can fail as `RunError`."""
    try:
        with safe_open(path, framework="pt") as file:
            return use(file)
    except FileNotFoundError:
        raise RunError(f"{path} is missing, so the run is damaged: {ADVICE}") from None
    except OSError as failure:
        raise RunError(f"{path} cannot be read: {reason(failure)}") from None
    except (SafetensorError, ValueError, RecursionError) as failure:
        raise RunError(f"{path} is damaged ({failure}): {ADVICE}") from None
