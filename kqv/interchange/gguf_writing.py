"""Writing a GGUF file: metadata, and tensors of the chosen type, quantised by the package `gguf`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_SIZES, GGML_QUANT_VERSION, GGMLQuantizationType, LlamaFileType
from gguf.quants import quant_shape_to_byte_shape, quantize
from torch import Tensor

from kqv.errors import Error
from kqv.interchange.gguf_tensors import HEAD, POSITIONS, TABLE

F32, F16, Q8_0 = GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.Q8_0
LARGEST_F16 = float(np.finfo(np.float16).max)


class Type(NamedTuple):
    """How the numbers of most matrices are stored, and llama.cpp's name for such a file."""

    of_matrices: GGMLQuantizationType
    of_file: LlamaFileType


TYPES = {
    kind.name.lower(): Type(kind, LlamaFileType.ALL_F32 if kind == F32 else LlamaFileType[f"MOSTLY_{kind.name}"])
    for kind in (F32, F16, GGMLQuantizationType.BF16, Q8_0, GGMLQuantizationType.Q5_1, GGMLQuantizationType.Q5_0,
                 GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q4_0)
}  # fmt: skip
"""The types that `gguf` can write, by name, the usual one first. (Of the K types it knows only how they are read.)"""


def write_file(
    path: Path, architecture: str, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor], number_type: str
) -> list[str]:
    """Write the file; what is stored as another type than the chosen one, and why, in sentences.

    Raises `Error` for a type that is not in `TYPES`, and numbers that it does not hold; `OSError` as the disk does.
    """
    if number_type not in TYPES:
        raise Error(f"gguf has no type {number_type!r} here; choose one of: {', '.join(TYPES)}")
    chosen, of_file = TYPES[number_type]
    types = {name: type_of(name, tensor, chosen, HEAD not in tensors) for name, tensor in tensors.items()}
    writer = GGUFWriter(path, architecture)
    writer.add_file_type(of_file)
    if GGML_QUANT_SIZES[chosen][0] > 1:
        writer.add_quantization_version(GGML_QUANT_VERSION)
    for key, value in metadata.items():
        _add(writer, key, value)
    for name, tensor in tensors.items():
        shape = quant_shape_to_byte_shape(tensor.shape, types[name])
        writer.add_tensor_info(name, shape, np.dtype(np.uint8), int(np.prod(shape)), raw_dtype=types[name])
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in tensors.items():  # one after the other, so that only one is there twice
            writer.write_tensor_data(_bytes_of(name, tensor, types[name]))
    finally:
        writer.close()
    return _notes(tensors, types, chosen)


def type_of(name: str, tensor: Tensor, chosen: GGMLQuantizationType, tied: bool) -> GGMLQuantizationType:
    """What a tensor is stored as: as llama.cpp's own quantiser does, vectors and the table of positions stay f32, the
    head has at least eight bits, and rows that are no whole blocks stay f16."""
    if tensor.dim() < 2 or name == POSITIONS or chosen == F32:
        return F32
    block = GGML_QUANT_SIZES[chosen][0]
    if block > 1 and name == (TABLE if tied else HEAD):
        chosen = Q8_0
    return F16 if tensor.shape[-1] % block else chosen


def _bytes_of(name: str, tensor: Tensor, kind: GGMLQuantizationType) -> np.ndarray:
    numbers = tensor.numpy()
    if kind == F16 and float(np.abs(numbers).max()) > LARGEST_F16:
        raise Error(f"{name} has numbers above {LARGEST_F16:,.0f}, the largest of type f16; take --type f32 or bf16")
    return np.ascontiguousarray(quantize(numbers, kind)).view(np.uint8)


def _notes(
    tensors: Mapping[str, Tensor], types: Mapping[str, GGMLQuantizationType], chosen: GGMLQuantizationType
) -> list[str]:
    block = GGML_QUANT_SIZES[chosen][0]
    kept = Counter(
        tensor.shape[-1] for name, tensor in tensors.items() if block > 1 and tensor.dim() > 1 and types[name] == F16
    )
    return [
        f"{count} {'matrix stays' if count == 1 else 'matrices stay'} f16: rows of {size} numbers are no whole blocks"
        f" of {block}"
        for size, count in sorted(kept.items())
    ]


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, list):
        writer.add_array(key, value)
    else:
        adders: dict[type, Callable[[str, Any], None]] = {
            bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string
        }  # fmt: skip
        adders[type(value)](key, value)
