"""The tensors of a folder in Hugging Face's layout: one safetensors file, or several with an index."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from kqv.errors import DataError
from kqv.files import reason
from kqv.files.reading import open_regular, read_text

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"


class TensorFiles:
    """Tensors by name, read when they are asked for. Raises `DataError` for files that are missing or damaged.

    `description` is the file beside them that says the model's sizes.
    """

    def __init__(self, folder: Path, description: str) -> None:
        self.folder, self.origin = folder, str(folder)
        self.description, self.described_in = description, str(folder / description)

    @cached_property
    def file_of(self) -> dict[str, Path]:
        """The file that each tensor lies in."""
        files = [WHOLE] if (self.folder / WHOLE).is_file() else self._indexed()
        return {name: self.folder / file for file in files for name in self._names(self.folder / file)}

    def names(self) -> Collection[str]:
        """The names of all tensors."""
        return self.file_of.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, as its file's header has it."""
        return tuple(self._opened(self.file_of[name], lambda file: file.get_slice(name).get_shape()))

    def read(self, name: str) -> Tensor:
        """One tensor, in float32."""
        return self._opened(self.file_of[name], lambda file: file.get_tensor(name)).to(torch.float32)  # type: ignore[no-any-return]

    def _indexed(self) -> list[str]:
        if not (self.folder / INDEX).is_file():
            pickled = next(iter(sorted(path.name for path in self.folder.glob("*.bin"))), None)
            found = "it has none" if pickled is None else f"{pickled} is pickled, which is never read here"
            raise DataError(f"{self.folder} needs {WHOLE} for its weights, but {found}; save it as safetensors")
        positions = read_json(self.folder / INDEX).get("weight_map")
        if not isinstance(positions, dict) or not all(isinstance(file, str) for file in positions.values()):
            raise DataError(f"{self.folder / INDEX} is damaged: it has no weight_map; fetch it again")
        strange = next((file for file in positions.values() if Path(file).name != file), None)
        if strange is not None:
            raise DataError(f"{self.folder / INDEX} is damaged: {strange!r} is not a file next to it; fetch it again")
        return sorted(set(positions.values()))

    def _names(self, path: Path) -> list[str]:
        return self._opened(path, lambda file: list(file.keys()))  # type: ignore[no-any-return]

    def _opened(self, path: Path, use: Any) -> Any:
        try:
            open_regular(path).close()  # the library would wait for a pipe's writer
            with safe_open(path, framework="pt") as file:
                return use(file)
        except FileNotFoundError:
            raise DataError(f"{path} is missing; fetch it again") from None
        except OSError as failure:
            raise DataError(f"{path} cannot be read: {reason(failure)}") from None
        except (SafetensorError, ValueError) as failure:
            raise DataError(f"{path} is damaged ({failure}); fetch it again") from None


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object; `DataError` when it is missing or damaged."""
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        raise DataError(f"{path} is missing; is {path.parent} a model in Hugging Face's layout?") from None
    except OSError as failure:
        raise DataError(f"{path} cannot be read: {reason(failure)}") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path} is damaged: it is not JSON; fetch it again") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} is damaged: a JSON object was expected; fetch it again")
    return content
