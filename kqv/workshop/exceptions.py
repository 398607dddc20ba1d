"""What Python and NumPy raise, explained: the learner's own line, the shapes in it, and what it usually means."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kqv.workshop.exercise import Case, Function, label_of
from kqv.workshop.findings import Finding
from kqv.workshop.products import product_that_fits

_MEANINGS = (
    (r"not aligned|matmul: Input operand 1 has a mismatch", "the shapes of this matrix product do not fit",
     "left @ right needs as many columns left as rows right: is a .T missing, or the order wrong?"),
    (r"matmul: Input operand \d does not have enough dimensions", "a matrix product of something without axes",
     "Is one side a plain number, or a method without its brackets? Transposed is w.T, or w.transpose()."),
    (r"operands could not be broadcast", "these shapes do not fit together",
     "+, −, * and / need the same shapes, or an axis of 1 to repeat: which of the two is not of this layer?"),
    (r"inhomogeneous shape", "a list of arrays of different shapes is used as one array",
     "There is one array for each layer: keep them in a list; loop over it, or take one entry, as in weights[0]."),
    (r"name '(\w+)' is not defined", "the name {0} is not defined",
     "Is it spelled like this elsewhere, or still to be computed or imported?"),
    (r"cannot access local variable '(\w+)'|local variable '(\w+)' referenced before", "{0} is used before it is set",
     "Set it before the loop or the line that reads it."),
    (r"list index out of range", "an index is beyond the end of a list",
     "weights and biases have one entry for each layer with weights: range(len(weights))."),
    (r"index (-?\d+) is out of bounds for axis", "index {0} is beyond the end of an axis",
     "An axis of n has the indices 0 to n − 1."),
    (r"unsupported operand type.*NoneType", "one of the two is None",
     "A function that it came from has no `return`."),
    (r"unsupported operand type.*(?:function|method)", "a function is used like a number",
     "Call it: write its arguments behind it in brackets, as in sigmoid_prime(z)."),
    (r"unsupported operand type.*'list'|can't multiply sequence|list.*object cannot be interpreted",
     "a list is used like an array", "A list is not an array: loop over it, or take one entry, as in weights[0]."),
    (r"'list' object has no attribute '(\w+)'", "a list is used like an array: it has no {0}",
     "That is a list with one array for each layer: take an entry, or loop."),
    (r"only .* arrays can be converted to Python scalars|only length-1 arrays",
     "a function for one number got an array",
     "math.exp takes one number; np.exp takes the whole array."),
    (r"(\w+)\(\) (?:takes .* positional arguments? but|missing \d+ required positional)",
     "{0} is called with the wrong number of arguments",
     "Count what stands in the brackets; help({0}) says what it takes."),
    (r"object is not callable", "something is called that is not a function",
     "Is a * missing between two brackets, or one name used for two things?"),
    (r"too many values to unpack|not enough values to unpack", "there are more or fewer values than names for them",
     "Look at what comes out on the right: as many names as values."),
    (r"truth value of an array", "an array stands where one yes or no is needed",
     "Compare element by element with np.where, or sum it up with .any() or .all()."),
    (r"must be square", "only a square matrix has an inverse", "wᵀ is w.T: rows and columns swapped, not inverted."),
    (r"EOF when reading a line", "input() waits for an answer", "Nobody is there to give one while it is checked."),
)  # fmt: skip
"""What is raised often: how it is recognised, what it is called here, and what it usually means."""


def explain_raised(raised: dict[str, Any], case: Case | None = None, function: Function | None = None) -> Finding:
    """The finding for what a learner's function raised, in a try of the exercise or in the training."""
    kind, message = raised["type"], " ".join(raised["message"].split())
    where = location_of(raised)
    if kind == "NotImplementedError":
        return Finding("raised", f"a part is still to be written{where}")
    if kind == "SystemExit":
        return Finding("raised", f"it ended Python{where}", ("Leave out exit() and quit(): just return the result.",))
    if kind == "RecursionError":
        return Finding("raised", f"it calls itself without end{where}", ("When should it stop?",))
    if kind == "MemoryError":
        return Finding("raised", f"it asked for more memory than there is{where}", (message,) if message else ())
    own = f"{kind}: {message}" if message else kind
    meaning = _meaning_of(message)
    if meaning is None:
        return Finding("raised", f"{own}{where}", tuple(filter(None, [_shapes_in(raised, case, function)])))
    headline, advice = meaning
    fits = product_that_fits(raised.get("text", ""), raised.get("shapes", {}))
    details = [_shapes_in(raised, case, function), fits or advice, f"Python's own words: {own}"]
    return Finding("raised", f"{headline},{where}" if where else headline, tuple(filter(None, details)))


def _meaning_of(message: str) -> tuple[str, str] | None:
    """What a message is called here, and what it usually means; None for one that is not known."""
    for pattern, headline, advice in _MEANINGS:
        if match := re.search(pattern, message):
            said = [group for group in match.groups() if group]
            return headline.format(*said), advice.format(*said)
    return None


def _shapes_in(raised: dict[str, Any], case: Case | None, function: Function | None) -> str:
    """`there w is [out=3, in=4], a is [in=4, 1]`; nothing where the line reads no arrays."""
    named = {} if case is None or function is None else _names_of_shapes(function, case)
    shapes = [f"{name} is {named.get(tuple(shape), shape)}" for name, shape in raised.get("shapes", {}).items()]
    return f"there {', '.join(shapes)}" if shapes else ""


def _names_of_shapes(function: Function, case: Case) -> dict[tuple[int, ...], str]:
    """The shapes of what goes into a function, with the names of their dimensions; the first of equal ones counts."""
    found: dict[tuple[int, ...], str] = {}
    for value, content in zip(function.takes, case.inputs.values(), strict=True):
        for array in content if value.many else [content]:
            if value.axes:
                found.setdefault(np.shape(array), label_of(value, np.shape(array)))
    return found


def location_of(raised: dict[str, Any]) -> str:
    """` in line 12 of backprop.py (delta = …)`, or nothing where the learner's own line is not known."""
    if "line" not in raised:
        return ""
    text = f" ({raised['text']})" if raised.get("text") else ""
    return f" in line {raised['line']} of {raised['file']}{text}"
