"""What Python and NumPy raise, explained: the learner's own line, the shapes in it, and what it usually means."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kqv.workshop.exercise import Case, Function, label_of
from kqv.workshop.findings import Finding

_MEANINGS = (
    (r"shapes \((.*?)\) and \((.*?)\) not aligned",
     "np.dot(left, right) needs as many columns left as rows right: is a .T missing, or the order wrong?"),
    (r"matmul: Input operand 1 has a mismatch",
     "left @ right needs as many columns left as rows right: is a .T missing, or the order wrong?"),
    (r"operands could not be broadcast",
     "+, − and ⊙ need the same shapes, or an axis of 1 to repeat: which of the two is not of this layer?"),
    (r"inhomogeneous shape",
     "A list of arrays is no array: there is one for each layer, so loop, or take an entry as in weights[0]."),
    (r"name '(\w+)' is not defined", "Is it spelled as above, or still to be computed or imported?"),
    (r"list index out of range", "There is one entry for each layer with weights: range(len(weights))."),
    (r"unsupported operand type.*NoneType", "One of the two is None: a function that it came from has no `return`."),
    (r"unsupported operand type.*'list'|can't multiply sequence|list.*object cannot be interpreted",
     "A list is not an array: loop over it, or take one entry, as in weights[0]."),
    (r"'list' object has no attribute", "That is a list with one array for each layer: take an entry, or loop."),
    (r"only .* arrays can be converted to Python scalars", "math.exp takes one number; np.exp takes the whole array."),
    (r"takes (\d+) positional arguments? but (\d+)|missing \d+ required positional",
     "Keep the names and the number of the arguments as the form has them."),
    (r"object is not callable", "A name was used for two things, or a · is missing between two brackets."),
    (r"too many values to unpack|not enough values to unpack", "Look what comes out there: as many names as things."),
    (r"EOF when reading a line", "Nobody is there to answer input() while it is checked."),
)  # fmt: skip
"""What is raised often, with what it usually means."""


def explain_raised(raised: dict[str, Any], case: Case | None = None, function: Function | None = None) -> Finding:
    """The finding for what a learner's function raised, in a try of the exercise or in the training."""
    kind, message = raised["type"], " ".join(raised["message"].split())
    where = place_of(raised)
    if kind == "NotImplementedError":
        return Finding("raised", f"a part is still to be written{where}")
    if kind == "SystemExit":
        return Finding("raised", f"it ended Python{where}", ("Leave out exit() and quit(): just return the result.",))
    if kind == "RecursionError":
        return Finding("raised", f"it calls itself without end{where}", ("When should it stop?",))
    if kind == "MemoryError":
        return Finding("raised", f"it asked for more memory than there is{where}", (message,) if message else ())
    named = {} if case is None or function is None else _names_of_shapes(function, case)
    shapes = ", ".join(
        f"{name} is {named.get(tuple(shape), shape)}" for name, shape in raised.get("shapes", {}).items()
    )
    meaning = next((text for pattern, text in _MEANINGS if re.search(pattern, message)), "")
    return Finding("raised", f"{kind}{where}: {message}", tuple(filter(None, [shapes and f"there {shapes}", meaning])))


def _names_of_shapes(function: Function, case: Case) -> dict[tuple[int, ...], str]:
    """The shapes of what goes into a function, with the names of their dimensions; the first of equal ones counts."""
    found: dict[tuple[int, ...], str] = {}
    for value, content in zip(function.takes, case.inputs.values(), strict=True):
        for array in content if value.many else [content]:
            if value.axes:
                found.setdefault(np.shape(array), label_of(value, np.shape(array)))
    return found


def place_of(raised: dict[str, Any]) -> str:
    """` in line 12 of backprop.py (delta = …)`, or nothing where the learner's own line is not known."""
    if "line" not in raised:
        return ""
    text = f" ({raised['text']})" if raised.get("text") else ""
    return f" in line {raised['line']} of {raised['file']}{text}"
