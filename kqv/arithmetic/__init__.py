"""The arithmetic that made a number: expressions over elements of tensors, evaluated in float64 and shown.

An `Operand` stands for one recorded tensor; indexing it gives `Elements`, and ordinary Python arithmetic on these
builds an expression that is written like its formula and broadcasts like NumPy:

    total = Sum(x[row, :] * weight[out, :]) + bias[out]

Each expression can be evaluated (`values`), shown with its numbers (`text`), and knows the size that its rounding error
is measured by (`scale`): Σ|terms| for a sum, carried through products, quotients and functions by first-order error
propagation. Shown and recorded value agree within 1e-5 · scale.
"""

from __future__ import annotations

from kqv.arithmetic.elements import Elements, Operand, Source
from kqv.arithmetic.expression import (
    UNDERFLOW,
    Array,
    Binary,
    Constant,
    Expression,
    Index,
    Negative,
    Rendering,
    Shape,
    number,
    smallest,
    walk,
)
from kqv.arithmetic.functions import Function, Power, cosine, erf, exp, log, log1p, logistic, sign, sine, sqrt, tanh
from kqv.arithmetic.open import (
    Answer,
    Each,
    OpenElements,
    OpenNumber,
    Test,
    When,
    below,
    both,
    each_of,
    equals,
    exceeds,
    fixed,
    is_nan,
    negated,
    same,
    those,
    when,
)
from kqv.arithmetic.positions import (
    Position,
    Positions,
    Whole,
    all_but,
    greatest,
    is_open,
    least,
    number_of,
    open_index,
    span,
)
from kqv.arithmetic.reductions import Argmax, Max, Mean, Reduction, Sum, Total
from kqv.arithmetic.structure import Choice, Column, Named

__all__ = [
    "UNDERFLOW",
    "Answer", "Argmax", "Array", "Binary", "Choice", "Column", "Constant", "Each", "Elements", "Expression", "Function",
    "Index", "Max", "Mean", "Named", "Negative", "OpenElements", "OpenNumber", "Operand",
    "Position", "Positions", "Power", "Reduction", "Rendering", "Shape", "Source", "Sum",
    "Test", "Total", "When", "Whole", "all_but", "below", "both", "cosine", "each_of", "equals", "erf", "exceeds",
    "exp", "fixed", "greatest", "is_nan", "is_open", "least", "log", "log1p", "logistic", "negated", "number",
    "number_of", "open_index", "same", "sign", "sine", "smallest", "span", "sqrt", "tanh", "those", "walk", "when",
]  # fmt: skip
