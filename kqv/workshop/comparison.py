"""A result beside the expected one: its types, its shapes, its numbers; the first thing that differs, in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kqv.arithmetic import Expression, number
from kqv.workshop.arithmetic_text import arithmetic_lines
from kqv.workshop.encoding import Foreign, Oversized
from kqv.workshop.exercise import Case, Function, Value, label_of
from kqv.workshop.findings import Finding, Kind

FLOOR = 1e-9
"""Differences below it are rounding, even for numbers near 0."""


class Differs(Exception):  # noqa: N818 - no error of ours: it carries what is found
    """The result differs; `finding` says how."""

    def __init__(self, kind: Kind, headline: str, *details: str, mistake: str = "", advice: str = "") -> None:
        super().__init__(headline)
        self.finding = Finding(kind, headline, details, mistake, advice)


@dataclass(frozen=True)
class Part:
    """One array of a result with the name it has in the result: `nabla_w[0]`."""

    name: str
    value: Value
    content: Any
    layer: int = 0


def parts(function: Function, result: Any) -> list[Part]:
    """The arrays of a result, in order. Raises `Differs` where something else came back than these."""
    gives = function.gives
    if isinstance(result, Foreign) and result.kind == "NoneType":
        raise Differs("type", f"{function.name} returned nothing (None): is its `return` missing?")
    if len(gives) == 1:
        return _parts_of(gives[0], result)
    names = ", ".join(value.name for value in gives)
    if not isinstance(result, list | tuple) or len(result) != len(gives):
        raise Differs("type", f"{function.name} returned {_kind(result)}; expected {len(gives)} things: return {names}")
    return [part for value, item in zip(gives, result, strict=True) for part in _parts_of(value, item)]


def _parts_of(value: Value, content: Any) -> list[Part]:
    if not value.many:
        return [Part(value.name, value, content)]
    if not isinstance(content, list | tuple):
        raise Differs("type", f"{value.name} is {_kind(content)}; expected a list with one array for each layer")
    return [Part(f"{value.name}[{position}]", value, item, position) for position, item in enumerate(content)]


def _kind(result: Any) -> str:
    if isinstance(result, Foreign):
        return "nothing (None)" if result.kind == "NoneType" else f"a {result.kind} ({result.text})"
    if isinstance(result, list | tuple):
        return f"a {type(result).__name__} of {len(result)}"
    if isinstance(result, np.ndarray):
        return f"an array {list(result.shape)}"
    return f"an array {list(result.shape)}" if isinstance(result, Oversized) else f"the number {number(float(result))}"


def compare(function: Function, case: Case, result: Any, expected: Any) -> None:
    """Raise `Differs` with the first thing in which the result differs from the expected one."""
    mine, right = parts(function, result), parts(function, expected)
    for value in function.gives:
        got, wanted = (sum(part.value is value for part in each) for each in (mine, right))
        if got != wanted:
            raise Differs("type", f"{value.name} has {got} arrays; expected {wanted}, one for each layer with weights")
    order = sorted(range(len(right)), key=lambda position: -right[position].layer if function.last_layer_first else 0)
    for part, want in ((mine[position], right[position]) for position in order):
        _compare_shape(part, _array_of(part), np.asarray(want.content, dtype=np.float64))
    for position, part, want in ((position, mine[position], right[position]) for position in order):
        _compare_numbers(
            part, np.asarray(part.content), np.asarray(want.content, dtype=np.float64), function.tolerance,
            lambda index, position=position: function.derive(case.inputs, position, index),  # type: ignore[misc]
        )  # fmt: skip


def _array_of(part: Part) -> np.ndarray[Any, Any]:
    """What came back as an array; `Differs` says what it was instead, and how to mend it."""
    content = part.content
    if isinstance(content, Oversized):
        return np.broadcast_to(np.float64(0), content.shape)
    if isinstance(content, list | tuple):
        layers = any(np.shape(item) != np.shape(content[0]) for item in content)
        raise Differs(
            "type", f"{part.name} is a {type(content).__name__}; expected a NumPy array {part.value.shape_text}",
            "It holds arrays of different shapes, as of several layers: return one, such as the last."
            if layers
            else "Whole arrays need no loop here; where you build a list, np.array(…) makes an array of it.",
        )  # fmt: skip
    if isinstance(content, Foreign):
        remedy = {
            "torch.Tensor": "This workshop computes with NumPy: use np.… for torch.…",
            "NoneType": "Something was never set: follow where it should come from.",
            "bool": "A comparison came back; a number is wanted.",
            "numpy array of object": "Arrays of different shapes cannot be one array: keep them in a list.",
        }.get(content.kind, "Return the array itself.")
        wanted = f"a NumPy array {part.value.shape_text}" if part.value.axes else "a number"
        raise Differs("type", f"{part.name} is {_kind(content)}; expected {wanted}", remedy)
    return np.asarray(content)


def _compare_shape(part: Part, mine: np.ndarray[Any, Any], want: np.ndarray[Any, Any]) -> None:
    if mine.shape == want.shape:
        return
    expected = label_of(part.value, want.shape) if want.shape else "a plain number"
    got = list(mine.shape) if mine.shape else "a plain number"
    reason = _why_shape(mine.shape, want.shape)
    raise Differs("shape", f"you returned {got} for {part.name}; expected {expected}{reason}")


def _why_shape(mine: tuple[int, ...], want: tuple[int, ...]) -> str:
    if not want and math.prod(mine) == 1:
        return ": there is one number in it; take it out with .item() or float(…)"
    if not want:
        return ": add everything up with np.sum(…)"
    if not mine:
        return ": did a sum, a mean or an argmax make one number of all?"
    if math.prod(mine) == 1 < math.prod(want):
        return ": there is one number in it; did a sum, a product or an index leave one alone?"
    if mine == want[::-1]:
        return ": it is transposed; is a .T too many, or missing, or are the factors of np.dot in the wrong order?"
    if len(mine) == 1:
        return ": an axis was lost; columns have two, so keep the last 1 (reshape(-1, 1), or keepdims=True in a sum)"
    if want[-1] == 1 and mine == (want[0], want[0]):
        return ": a column met a row, and NumPy made a square of them; are both columns?"
    if mine == (want[0], 1):
        return ": the outer product with the numbers of the layer before is missing?"
    return ""


def _compare_numbers(
    part: Part, mine: np.ndarray[Any, Any], want: np.ndarray[Any, Any], tolerance: float,
    derive: Callable[[tuple[int, ...]], Expression],
) -> None:  # fmt: skip
    single = mine.dtype in (np.float32, np.float16)
    slack = max(tolerance, 1e-2 if mine.dtype == np.float16 else 1e-4 if single else 0.0)
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(mine - want) <= FLOOR + slack * np.maximum(1e-3, np.abs(want)))  # NaN is wrong, too
    if not wrong.any():
        return
    # a number that is none is what to look at first
    index = tuple(
        int(position) for position in np.argwhere(~np.isfinite(mine) if not np.isfinite(mine).all() else wrong)[0]
    )
    name = f"{part.name}[{','.join(map(str, index))}]" if index else part.name
    value = float(mine[index])
    lines = arithmetic_lines(derive(index))
    how = f"{int(wrong.sum())} of {wrong.size} numbers of {part.name} differ" if wrong.size > 1 else ""
    wrong_text = f"{name}: you returned {number(value)}; expected {number(float(want[index]))}"
    if not np.isfinite(value):
        nan = "NaN comes of 0/0, 0·∞, ∞/∞ or ∞ − ∞, or of the logarithm or root of a negative number"
        cause = nan if np.isnan(value) else "∞ comes of exp of a large number, or of a division by 0"
        raise Differs("not a number", wrong_text, f"{cause}.", *lines)
    if mine.dtype.kind in "iu" and np.isin(mine - want, [f(want) - want for f in (np.trunc, np.floor, np.rint)]).all():
        raise Differs(
            "value", wrong_text, *lines, *filter(None, [how]), mistake=f"{part.name} is rounded to whole numbers",
            advice=f"leave out astype(int), int(…), // and dtype=int ({part.name} is {mine.dtype}): np.zeros(shape) "
            "has room for what is behind the point",
        )  # fmt: skip
    raise Differs("value", wrong_text, *lines, *filter(None, [how]))
