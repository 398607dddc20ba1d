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
    walk,
)
from kqv.arithmetic.functions import Function, Power, cosine, erf, exp, log, log1p, logistic, sign, sine, sqrt, tanh
from kqv.arithmetic.reductions import Argmax, Max, Mean, Reduction, Sum, Total
from kqv.arithmetic.structure import Choice, Column, Named

__all__ = [
    "UNDERFLOW",
    "Argmax", "Array", "Binary", "Choice", "Column", "Constant", "Elements", "Expression", "Function",
    "Index", "Max", "Mean", "Named", "Negative", "Operand", "Power", "Reduction", "Rendering", "Shape", "Source", "Sum",
    "Total", "cosine", "erf", "exp", "log", "log1p", "logistic", "number", "sign", "sine", "sqrt", "tanh", "walk",
]  # fmt: skip
