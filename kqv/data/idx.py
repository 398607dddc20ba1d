"""The IDX format of MNIST: a header of big-endian 32-bit numbers, then the values, one byte each.

Header: two zero bytes, the type of the values (8 = unsigned bytes), the number of dimensions, then each dimension's
size. Source: https://yann.lecun.com/exdb/mnist/, section "File formats".
"""

from __future__ import annotations

import math
import struct
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kqv.errors import DataError

Bytes: TypeAlias = npt.NDArray[np.uint8]
Labels: TypeAlias = npt.NDArray[np.int64]

UNSIGNED_BYTES = 8
MOST_DIMENSIONS = 32  # what NumPy has


def read_idx(content: bytes, name: str) -> Bytes:
    """The array in an IDX file of unsigned bytes: [picture, row, column] for pictures, [picture] for labels.

    `name` is what errors call the file. Raises `DataError`: wrong magic number, and too few or too many bytes.
    """
    if content[:2] == b"\x1f\x8b":
        raise DataError(f"{name} is still compressed; give its uncompressed content")
    if len(content) < 4:
        raise DataError(f"{name} is truncated: an IDX file starts with 4 bytes, this one has {len(content)}")
    if content[:3] != bytes((0, 0, UNSIGNED_BYTES)) or content[3] == 0:
        raise DataError(
            f"{name} is not an IDX file of unsigned bytes: it starts with {content[:4].hex(' ')}, expected 00 00 08 and"
            " the number of dimensions (01 for labels, 03 for pictures)"
        )
    dimensions = content[3]
    if dimensions > MOST_DIMENSIONS:
        raise DataError(f"{name} has {dimensions} dimensions, but at most {MOST_DIMENSIONS} were expected; is it IDX?")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{name} is truncated: its header has {start} bytes, found {len(content)}")
    sizes = struct.unpack(f">{dimensions}I", content[4:start])
    expected, found = start + math.prod(sizes), len(content)
    if found != expected:
        shape = "×".join(map(str, sizes))
        wrong = "is truncated" if found < expected else f"has {found - expected:,} extra bytes"
        raise DataError(f"{name} {wrong}: {shape} values and the header are {expected:,} bytes, found {found:,}")
    try:
        return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes).copy()
    except ValueError:  # beside a 0 the others can be so large that NumPy cannot multiply them
        raise DataError(f"{name} is empty, and its sizes {'×'.join(map(str, sizes))} cannot be; is it IDX?") from None


def read_labelled(pictures: bytes, labels: bytes, names: tuple[str, str], classes: int) -> tuple[Bytes, Labels]:
    """Two IDX files that belong together: pixels [picture, row, column] and labels [picture], each below `classes`.

    `names` is what errors call the two files. Raises `DataError`: as `read_idx`; files of other dimensions, for example
    swapped ones; not as many labels as pictures; a label out of range.
    """
    pixels, numbers = read_idx(pictures, names[0]), read_idx(labels, names[1])
    for array, name, dimensions, content in ((pixels, names[0], 3, "pictures"), (numbers, names[1], 1, "labels")):
        if array.ndim != dimensions:
            raise DataError(f"{name} should have {content}: expected {dimensions} dimensions, found {array.ndim}")
        if array.size == 0:
            raise DataError(f"{name} is empty: it has no {content}")
    if len(pixels) != len(numbers):
        raise DataError(f"{names[0]} has {len(pixels):,} pictures, but {names[1]} has {len(numbers):,} labels")
    wrong = np.flatnonzero(numbers >= classes)
    if wrong.size:
        raise DataError(
            f"{names[1]} has the label {numbers[wrong[0]]} at position {wrong[0]:,}; expected 0 to {classes - 1}"
        )
    return pixels, numbers.astype(np.int64)
