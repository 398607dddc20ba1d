"""A GGUF file: its metadata, and where its tensors lie, all checked against the file's size before anything is read.

The layout is read here, not by the package `gguf`, whose reader believes every number that a file claims and takes
seconds for a vocabulary; its tables of types and its dequantisation are used. (The specification: ggml's docs/gguf.md.)
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType
from gguf.quants import dequantize
from torch import Tensor

from kqv.errors import DataError
from kqv.files import reason
from kqv.files.reading import open_regular

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # of the tensors' first bytes, where the file does not say another
MOST_KEYS = 65_536
MOST_ENTRIES = 4_194_304  # of all lists together; a vocabulary of 256,000 tokens and its merges has 800,000
LONGEST_NAME = 65_535  # bytes
MOST_DIMENSIONS = 4

NUMBERS = {
    GGUFValueType.UINT8: "<u1", GGUFValueType.INT8: "<i1", GGUFValueType.UINT16: "<u2", GGUFValueType.INT16: "<i2",
    GGUFValueType.UINT32: "<u4", GGUFValueType.INT32: "<i4", GGUFValueType.UINT64: "<u8", GGUFValueType.INT64: "<i8",
    GGUFValueType.FLOAT32: "<f4", GGUFValueType.FLOAT64: "<f8", GGUFValueType.BOOL: "?",
}  # fmt: skip
"""NumPy's names of the types of number."""

TYPES = {kind.value for kind in GGMLQuantizationType}

Metadata = Mapping[str, Any]


class Extent(NamedTuple):
    """Where a tensor lies in the file: its type and shape, its first byte and how many there are."""

    type: GGMLQuantizationType
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class GGUFFile:
    """What a GGUF file says before its tensors: `metadata` by key, and the `extents` of its tensors by name."""

    path: Path
    metadata: Metadata
    extents: Mapping[str, Extent]

    def read(self, name: str) -> Tensor:
        """One tensor, dequantised, in float32. Raises `DataError` where the file cannot be read."""
        extent = self.extents[name]
        try:
            with open_regular(self.path) as file:
                file.seek(extent.start)
                content = bytearray(file.read(extent.size))
        except OSError as failure:
            raise DataError(f"{self.path} cannot be read: {reason(failure)}") from None
        if len(content) != extent.size:
            raise DataError(f"{self.path} became shorter while it was read, and lacks {name}; fetch it again")
        rows = np.frombuffer(content, dtype=np.uint8).reshape(*extent.shape[:-1], -1)
        with np.errstate(all="ignore"):  # damaged scales overflow; infinite numbers are refused by who asked
            numbers = dequantize(rows, extent.type)
        return torch.from_numpy(np.require(numbers, np.float32, ["C", "W"])).view(extent.shape)


def opened(path: Path) -> GGUFFile:
    """The file at `path`. Raises `DataError` where it is damaged, cut off, or of a kind that is not known here."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            header = _Header(path, file, size)
            tensors, keys = header.counts()
            metadata = header.metadata(keys)
            return GGUFFile(path, metadata, header.extents(tensors, metadata.get("general.alignment", ALIGNMENT)))
    except FileNotFoundError:
        raise DataError(f"{path} is missing; give the path of a GGUF file") from None
    except OSError as failure:
        raise DataError(f"{path} cannot be read: {reason(failure)}") from None


@cache
def _has_dequantisation(kind: GGMLQuantizationType) -> bool:
    """Whether the package makes numbers of a type; of integers, for one, it makes none."""
    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8), kind)
    except NotImplementedError:
        return False
    return True


class _Header:
    """Reads one value of the header after another; every length is compared with what the file still has."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size
        self.listed = 0

    def damaged(self, problem: str) -> DataError:
        return DataError(f"{self.path} is damaged or cut off: {problem}; fetch it again")

    def take(self, count: int) -> bytes:
        if count > self.size - self.file.tell():
            raise self.damaged(f"{count:,} bytes should follow byte {self.file.tell():,}, but it has {self.size:,}")
        return self.file.read(count)

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def text(self, longest: int | None = None) -> str:
        length = self.number("<Q")
        if longest is not None and length > longest:
            raise self.damaged(f"a name of {length:,} bytes before byte {self.file.tell():,}")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.damaged(f"the text before byte {self.file.tell():,} is not UTF-8") from None

    def counts(self) -> tuple[int, int]:
        """How many tensors and how many keys it has."""
        if self.file.read(4) != MAGIC:
            raise DataError(
                f"{self.path} is not a GGUF file: it does not begin with the letters GGUF; give another one"
            )
        version = self.number("<I")
        if version & 0xFFFF == 0 and version:
            raise DataError(f"{self.path} is written for big-endian machines, which is not supported; convert it")
        if version not in VERSIONS:
            raise DataError(f"{self.path} has GGUF's version {version}, but only 2 and 3 are supported; convert it")
        tensors, keys = self.number("<Q"), self.number("<Q")
        for count, what in ((tensors, "tensors"), (keys, "keys")):
            if count > MOST_KEYS:
                raise self.damaged(f"it claims to have {count:,} {what}, and at most {MOST_KEYS:,} are read")
        return tensors, keys

    def metadata(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self.text(LONGEST_NAME)
            if key in found:
                raise self.damaged(f"the key {key!r} comes twice")
            found[key] = self.value(self.number("<I"), key)
        return found

    def value(self, kind: int, key: str) -> Any:
        if kind == GGUFValueType.STRING:
            return self.text()
        if kind == GGUFValueType.ARRAY:
            return self.entries(key)
        return self.numbers(kind, 1, key)[0]

    def entries(self, key: str) -> list[Any]:
        kind, count = self.number("<I"), self.number("<Q")
        self.listed += count
        if self.listed > MOST_ENTRIES:
            raise self.damaged(f"{key} claims to have {count:,} entries; {MOST_ENTRIES:,} are read at most, in all")
        if kind == GGUFValueType.STRING:
            return [self.text() for _ in range(count)]
        return self.numbers(kind, count, key)

    def numbers(self, kind: int, count: int, key: str) -> list[Any]:
        if kind not in NUMBERS:
            raise self.damaged(f"{key} has a value of type {kind}, which is none")
        dtype = np.dtype(NUMBERS[GGUFValueType(kind)])
        found: list[Any] = np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype).tolist()
        return found

    def extents(self, count: int, alignment: Any) -> dict[str, Extent]:
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > 1 << 20:
            raise self.damaged(f"general.alignment is {alignment!r}, but a power of two was expected")
        claimed: dict[str, Extent] = {}
        for _ in range(count):
            name = self.text(LONGEST_NAME)
            if name in claimed:
                raise self.damaged(f"the tensor {name!r} comes twice")
            claimed[name] = self.claim(name, alignment)
        first = -(-self.file.tell() // alignment) * alignment
        extents = {name: extent._replace(start=first + extent.start) for name, extent in claimed.items()}
        self.check(extents)
        return extents

    def claim(self, name: str, alignment: int) -> Extent:
        """What the header says of one tensor, with its first byte counted from where the tensors begin."""
        dimensions = self.number("<I")
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise self.damaged(f"the tensor {name!r} has {dimensions:,} dimensions")
        shape = tuple(self.number("<Q") for _ in range(dimensions))[::-1]  # the fastest one stands first there
        kind, start = self.number("<I"), self.number("<Q")
        if kind not in TYPES:
            raise DataError(f"{self.path}: the tensor {name!r} is of type {kind}, which the package gguf does not know")
        kind = GGMLQuantizationType(kind)
        if not _has_dequantisation(kind):
            raise DataError(f"{self.path}: the tensor {name!r} is of type {kind.name}, which cannot be read here")
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if min(shape) < 1 or shape[-1] % block or start % alignment:
            raise self.damaged(f"the tensor {name!r} of shape {list(shape)} and type {kind.name} cannot be")
        return Extent(kind, shape, start, math.prod(shape) // block * block_bytes)

    def check(self, extents: Mapping[str, Extent]) -> None:
        """Raise `DataError` for a tensor past the file's end, or one that shares bytes with another."""
        end, before = 0, ""
        for name, extent in sorted(extents.items(), key=lambda item: item[1].start):
            if extent.start < end:
                raise self.damaged(f"the tensors {before!r} and {name!r} share bytes")
            end, before = extent.start + extent.size, name
            if end > self.size:
                raise self.damaged(f"the tensor {name!r} should reach to byte {end:,}, but it has {self.size:,}")
