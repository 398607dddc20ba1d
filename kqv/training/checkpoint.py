"""Checkpoints: everything that a training run needs to go on bit-identically, in one safetensors file.

One file, replaced in one step, so that a kill at any moment leaves a whole checkpoint. Tensors are the weights, the
optimizer's state and the random generators' states; counters stand as JSON in the header. Nothing is ever pickled.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kqv.errors import RunError
from kqv.files import written_atomically

Tensors = dict[str, Tensor]


def random_state() -> tuple[Tensors, dict[str, Any]]:
    """The state of every random generator: PyTorch's (CPU and GPUs), NumPy's and Python's."""
    tensors = {"random/torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"random/cuda/{n}": state for n, state in enumerate(torch.cuda.get_rng_state_all())}
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # type: ignore[misc]
    tensors["random/numpy"] = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    version, numbers, next_gauss = random.getstate()
    tensors["random/python"] = torch.tensor(numbers, dtype=torch.int64)
    counters = {
        "numpy": [str(name), int(position), int(has_gauss), float(gauss)],
        "python": [version, next_gauss],
    }
    return tensors, counters


def restore_random_state(tensors: Tensors, counters: dict[str, Any]) -> None:
    """Put every random generator back to where it was."""
    torch.set_rng_state(tensors["random/torch"])
    if torch.cuda.is_available() and "random/cuda/0" in tensors:
        count = sum(name.startswith("random/cuda/") for name in tensors)
        torch.cuda.set_rng_state_all([tensors[f"random/cuda/{n}"] for n in range(count)])
    name, position, has_gauss, gauss = counters["numpy"]
    np.random.set_state((name, tensors["random/numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    version, next_gauss = counters["python"]
    random.setstate((version, tuple(tensors["random/python"].tolist()), next_gauss))


def weights_of(model: nn.Module) -> Tensors:
    """Weights and buffers by name, each shared tensor once."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    kept = set(model.state_dict(keep_vars=True))
    return {name: tensor.detach() for name, tensor in named.items() if name in kept}


def put_weights(model: nn.Module, tensors: Tensors, origin: str) -> None:
    """Copy weights into a model; raise `RunError` that names the first tensor that is missing, extra or of another shape."""
    own = weights_of(model)
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors:
            raise RunError(f"{origin} lacks the tensor {name}{list(own[name].shape)}; it is damaged or of another model")
        if name not in own:
            raise RunError(f"{origin} has a tensor {name} that the model does not; it is of another model")
        if own[name].shape != tensors[name].shape:
            raise RunError(
                f"{origin}: {name} has shape {list(tensors[name].shape)}, but the model expects {list(own[name].shape)}"
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def write_tensors(path: Path, tensors: Tensors, header: dict[str, Any] | None = None) -> None:
    """Write tensors and a JSON header to a safetensors file, atomically."""
    with written_atomically(path) as temporary:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            save_file(contiguous, temporary, metadata={"kqv": json.dumps(header or {})})
        except SafetensorError as failure:  # it wraps the system's errors: a full or read-only disk
            raise _as_os_error(failure) from None


def _as_os_error(failure: SafetensorError) -> OSError:
    """The system's error inside safetensors' own, which carries its number as text: `(os error 28)`."""
    text = str(failure)
    number = text.rpartition("os error ")[2].split(")")[0]
    return OSError(int(number) if number.isdigit() else 0, text)


def read_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and JSON header of a safetensors file; `RunError` when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("kqv", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise RunError(f"{path} is missing; the run is not complete") from None
    except (SafetensorError, json.JSONDecodeError, OSError) as failure:
        raise RunError(f"{path} is damaged or unreadable ({failure}); restore it from a copy, or train again") from None
