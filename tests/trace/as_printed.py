"""Arithmetic that is shown, read as somebody with a calculator reads it."""

from __future__ import annotations

import math
import re

import numpy as np

_FUNCTIONS = {
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "tanh": np.tanh, "erf": math.erf, "sin": np.sin,
    "cos": np.cos, "sigma": lambda a: 1 / (1 + np.exp(-a)), "sgn": np.sign, "abs": abs, "max": max,
    "argmax": lambda numbers: max(numbers, key=numbers.get),
    "inf": math.inf, "nan": math.nan,
}  # fmt: skip
_SIGNS = {"−": "-", "·": "*", "√": "sqrt", "σ(": "sigma(", "∞": "inf", "²": "**2", "³": "**3"}


def as_printed(text: str) -> float:
    """What a reader with a calculator gets from a text such as `0.5·(−2) + [3 more: 0.25]`."""
    text = re.sub(r"\S+ because .*$", lambda found: found[0].partition(" because ")[0], text)
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    text = re.sub(r"\[\d+ more: ([^\]]+)\]", r"(\1)", text)
    text = re.sub(r", … \d+ smaller", "", text)
    text = re.sub(r"argmax\((.*)\)", r"argmax({\1})", text)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    with np.errstate(all="ignore"):
        return float(eval(text, {"__builtins__": {}}, _FUNCTIONS))


def unit(text: str) -> float:
    """One in the last of the six or more significant digits that a printed number has."""
    value = float(text.replace("−", "-").replace("∞", "inf"))
    digits = max(6, len(re.sub(r"e.*$|[^0-9]", "", text).lstrip("0")))
    return 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1) if value and math.isfinite(value) else 1e-300
