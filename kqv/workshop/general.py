"""Mistakes that can be made in any exercise, and what wrong numbers have in common with the right ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kqv.arithmetic import number
from kqv.workshop.exercise import Function, Mistake

_SAME = 1e-6
_NEAR = 1e-2


def general_mistakes(function: Function) -> tuple[Mistake, ...]:
    """Mistakes that a function can have besides its own."""
    arrays = [(at, value.name) for at, value in enumerate(function.takes) if value.axes and not value.many]
    rounded = [
        Mistake(
            f"{name} is rounded to whole numbers", f"leave out astype(int): {name} has numbers behind the point",
            lambda *inputs, at=at: function.reference(*inputs[:at], np.trunc(inputs[at]), *inputs[at + 1 :]),
        )
        for at, name in arrays
    ]  # fmt: skip
    returned = [
        Mistake(f"{name} itself comes back", "return what was computed from it", lambda *inputs, at=at: inputs[at])
        for at, name in arrays
    ]
    return (
        *rounded, *returned,
        Mistake("the sign is reversed", "every number has the right amount and the wrong sign",
                lambda *inputs: _mapped(np.negative, function.reference(*inputs))),
        Mistake("everything is 0",
                "was nothing filled in, a number rounded down by //, or a thing subtracted from itself?",
                lambda *inputs: _mapped(np.zeros_like, function.reference(*inputs))),
        Mistake("rounded down", "// drops what is behind the point: divide with /",
                lambda *inputs: _mapped(np.floor, function.reference(*inputs))),
    )  # fmt: skip


def _mapped(change: Callable[[Any], Any], result: Any) -> Any:
    return [_mapped(change, part) for part in result] if isinstance(result, list | tuple) else change(result)


def likeness(pairs: Sequence[tuple[Any, Any]]) -> str:
    """What all results have in common with the right ones: the same factor, the same difference, or that they are
    nearly right; nothing where it is none of these. `pairs` are arrays of equal shape, the learner's and the right one.
    """
    mine, right = (np.concatenate([np.ravel(each) for each in part]) for part in zip(*pairs, strict=True))
    if mine.size < 3 or not np.isfinite(mine).all():
        return ""
    apart, scale = mine - right, float(np.abs(right).max())
    if np.abs(apart).max() < _NEAR * scale:
        return (
            "All numbers are nearly right: is something rounded, or a constant such as 2.718 used in place of np.exp?"
        )
    factor = float(np.dot(mine, right) / np.dot(right, right))
    if np.allclose(mine, factor * right, rtol=_SAME, atol=_SAME * scale) and abs(factor) > _SAME:
        return f"Every number is {number(factor)} times the right one: is a constant factor missing, or too much?"
    if np.ptp(apart) < _SAME * scale:
        return f"Every number is {number(float(apart[0]))} away from the right one: is something added, or missing?"
    return ""
