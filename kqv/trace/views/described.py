"""Explanations as plain data, for JSON, the page and the lab."""

from __future__ import annotations

import math
from typing import Any

from kqv.trace.explanation import Arithmetic, Explanation
from kqv.trace.views.text import check_text, intermediate


def describe(explanation: Explanation, terms: int = 6) -> dict[str, Any]:
    """One cell with its arithmetic; every number under `value` is an element of a recorded tensor."""
    found: dict[str, Any] = {
        "cell": str(explanation.cell),
        "symbol": explanation.symbol,
        "meaning": explanation.meaning,
        "step": explanation.occasion,
    }
    found |= describe_arithmetic(explanation, explanation, terms)
    found["parts"] = [describe_arithmetic(part, explanation, terms) for part in explanation.parts]
    found["tensors"] = list(explanation.tensors)
    return found


def describe_arithmetic(part: Arithmetic, whole: Explanation, terms: int = 6) -> dict[str, Any]:
    """One piece of arithmetic: value, formula, numbers, intermediate results, sources and check."""
    numbers, rendering = ("", None) if part is whole and whole.parts else part.rendering(terms)
    where = intermediate(rendering) if rendering is not None else []
    sources = list(rendering.sources.items()) if rendering is not None else []
    return {
        "value": finite(part.value),
        "heading": part.heading,
        "formula": part.formula,
        "location": str(part.location),
        "numbers": numbers,
        "where": [list(pair) for pair in where],
        "from": [_source(label, value, whole) for label, value in sources],
        "chosen by": [_source(str(cell), None, whole) for cell in part.consulted[:12]],
        "check": check_text(part),
        "agrees": part.agrees,
    }


def _source(label: str, value: float | None, whole: Explanation) -> dict[str, Any]:
    found: dict[str, Any] = {"cell": label}
    if value is not None:
        found["value"] = finite(value)
    meaning = whole.meaning_of(label)
    return {**found, "meaning": meaning} if meaning else found


def finite(value: float) -> float | str:
    """JSON has no −∞: what is not finite becomes a word."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("∞" if value > 0 else "−∞")
