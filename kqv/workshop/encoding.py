"""Inputs and results as JSON, between the learner's process and ours."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from kqv.workshop.exercise import Provided

LARGEST = 20_000
"""Arrays with more elements are described by their shape alone: no exercise gives any."""


@dataclass(frozen=True)
class Foreign:
    """Something that came back and is neither array, number, list nor tuple: its type and how Python shows it."""

    kind: str
    text: str


@dataclass(frozen=True)
class Oversized:
    """An array that came back with far too many elements."""

    shape: tuple[int, ...]


def encode(value: Any) -> Any:
    """A value as JSON knows it; `decode` gives it back, or says what it was."""
    if isinstance(value, np.ndarray):
        return _encode_array(value)
    if isinstance(value, np.generic) and not isinstance(value, np.bool_):
        return {"scalar": _encode_array(np.asarray(value))}
    if isinstance(value, bool) or value is None:
        return {"foreign": type(value).__name__, "text": repr(value)}
    if isinstance(value, int | float):
        return {"number": _finite(value)}
    if isinstance(value, list | tuple) and len(value) <= LARGEST:
        return {"list" if isinstance(value, list) else "tuple": [encode(item) for item in value]}
    if isinstance(value, Provided):
        return {"provided": value.name}
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {"foreign": name, "text": reprlib.repr(value)[:200]}


def _encode_array(given: np.ndarray[Any, Any]) -> Any:
    array = np.asarray(given)  # np.matrix, which keeps two axes always, becomes an ordinary array
    if array.size > LARGEST:
        return {"oversized": list(array.shape)}
    if array.dtype.kind not in "fiub":
        return {"foreign": f"numpy array of {array.dtype}", "text": reprlib.repr(array)[:200]}
    return {
        "array": [_finite(value) for value in array.reshape(-1).tolist()],
        "shape": list(array.shape),
        "dtype": str(array.dtype),
    }


def _finite(value: float) -> float | str:
    """JSON has no ∞ and no NaN, and Python reads whole numbers of a few thousand digits only: those go as text."""
    if isinstance(value, int):
        return value if abs(value) < 2**63 else "inf" if value > 0 else "-inf"
    return value if math.isfinite(value) else repr(value)


def decode(content: Any) -> Any:
    """The value that `encode` wrote; `Foreign` or `Oversized` for what cannot come back as itself."""
    if "array" in content:
        flat = np.array([float(value) for value in content["array"]], dtype=np.float64)
        return flat.reshape(content["shape"]).astype(content["dtype"])
    if "scalar" in content:
        return decode(content["scalar"])[()]
    if "number" in content:
        return float(content["number"]) if isinstance(content["number"], str) else content["number"]
    if "list" in content:
        return [decode(item) for item in content["list"]]
    if "tuple" in content:
        return tuple(decode(item) for item in content["tuple"])
    if "provided" in content:
        return Provided(content["provided"])
    if "oversized" in content:
        return Oversized(tuple(content["oversized"]))
    return Foreign(content["foreign"], content["text"])
