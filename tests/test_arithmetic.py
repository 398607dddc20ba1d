"""Expressions against NumPy: values, the scale of rounding errors, positions, and the text that is shown."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kqv.arithmetic import (
    Argmax,
    Array,
    Choice,
    Column,
    Constant,
    Elements,
    Expression,
    Index,
    Max,
    Mean,
    Named,
    Operand,
    Power,
    Rendering,
    Sum,
    Total,
    cosine,
    erf,
    exp,
    log,
    log1p,
    logistic,
    number,
    sine,
    sqrt,
    tanh,
    walk,
)
from kqv.arithmetic.expression import smallest, times
from kqv.operations import cross_entropy
from kqv.trace.trace import Trace

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
INFINITE = math.inf


class Table:
    """An array as the source of an operand."""

    def __init__(self, name: str, values: Array) -> None:
        self.name = name
        self.values = np.asarray(values, dtype=np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def label(self, index: Index) -> str:
        return f"{self.name}{list(index)}"

    def read(self, axes: Sequence[Array]) -> Array:
        return self.values[np.ix_(*axes)] if axes else self.values


def operand(values: object, name: str = "x") -> Operand:
    return Operand(Table(name, np.asarray(values, dtype=np.float64)))


def text(expression: Expression, terms: int = 6) -> str:
    return expression.text(Rendering(terms))


def scalar(value: float) -> Expression:
    return operand(value)[()]


RANDOM = np.random.default_rng(7)
A, B, C = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(4,)), RANDOM.normal(size=(2, 3, 4))
a, b, c = operand(A, "a"), operand(B, "b"), operand(C, "c")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (a[...] + b[:], A + B),
        (a[...] - b[:] * 2.0, A - B * 2),
        (1.0 - a[...], 1 - A),
        (-a[...], -A),
        (c[...] / (2.0 + a[...] * a[...]), C / (2 + A * A)),
        (3.0 / exp(b[:]), 3 / np.exp(B)),
        (Power(a[...], 3), A**3),
        (log(exp(c[...])), C),
        (log1p(exp(c[...])), np.log1p(np.exp(C))),
        (sqrt(Power(b[:], 2)), np.abs(B)),
        (tanh(a[...]) + sine(a[...]) * cosine(a[...]), np.tanh(A) + np.sin(A) * np.cos(A)),
        (erf(b[:]), np.array([math.erf(x) for x in B])),
        (logistic(b[:]), 1 / (1 + np.exp(-B))),
        (Sum(a[...]), A.sum()),
        (Sum(c[...], 1), C.sum(-1)),
        (Sum(c[...], 2), C.sum((-2, -1))),
        (Mean(a[...]), A.mean()),
        (Max(c[...], 1), C.max(-1)),
        (Argmax(c[...]), C.argmax(-1)),
        (Named("μ", Mean(b[:])), B.mean()),
        (a[...] - Column(Sum(a[...], 1)), A - A.sum(-1, keepdims=True)),
        (Choice(a[...], a[...], Constant(0.0)), np.maximum(A, 0)),
        (Total((Sum(b[:]), a[1, 2])), B.sum() + A[1, 2]),
        (a[1, :] * b[::2].at((1,)), A[1] * B[2]),
        (c[1, ..., 2], C[1, :, 2]),
        (a[[2, 0], :], A[[2, 0]]),
        (a.pick(np.array([0, 2, 2]), np.array([3, 0, 1])), A[[0, 2, 2], [3, 0, 1]]),
        (c.pick(np.array([[1], [0]]), 2, np.arange(4)), C[[[1], [0]], 2, np.arange(4)]),
    ],
)
def test_values_are_numpys(expression: Expression, expected: Array) -> None:
    assert expression.shape == np.shape(expected)
    np.testing.assert_allclose(expression.values(), expected, rtol=1e-13, atol=1e-15)
    for index in np.ndindex(*expression.shape):
        np.testing.assert_allclose(expression.at(index).value(), np.asarray(expected)[index], rtol=1e-13, atol=1e-15)
    if len(expression.shape) > 1:
        np.testing.assert_allclose(expression.at((1,)).values(), np.asarray(expected)[1], rtol=1e-13, atol=1e-15)


def test_positions_outside_are_refused() -> None:
    for index in ((3, 0), (0, 4), (-4, 0)):
        with pytest.raises(IndexError):
            a[index]
    for wrong in (lambda: a[0], lambda: a[0, 0, 0], lambda: a.pick(1)):
        with pytest.raises(IndexError, match="positions given for 2 axes"):
            wrong()
    assert a[-1, 0].label() == "a[2, 0]"


_SINGLE = {
    "exp": np.exp, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "sqrt": np.sqrt,
    "erf": lambda x: np.float32(math.erf(x)), "σ": lambda x: 1 / (1 + np.exp(-x)), "square": lambda x: x * x,
}  # fmt: skip
_SHOWN = {
    "exp": exp, "tanh": tanh, "sin": sine, "cos": cosine, "sqrt": sqrt,
    "erf": erf, "σ": logistic, "square": lambda x: Power(x, 2),
}  # fmt: skip
_COMBINATIONS = [lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (y * y + x * x + 1)]

Tree = Callable[[list[Any], dict[str, Any]], Any]
"""A formula that can be computed from expressions as well as from single-precision numbers."""


def combined(combination: Callable[[Any, Any], Any], left: Tree, right: Tree) -> Tree:
    return lambda leaves, functions: combination(left(leaves, functions), right(leaves, functions))


def applied(name: str, argument: Tree) -> Tree:
    def compute(leaves: list[Any], functions: dict[str, Any]) -> Any:
        x = functions["tanh"](argument(leaves, functions))  # keeps exp and squares from growing without end
        return functions[name](x * x + 0.5 if name == "sqrt" else x)

    return compute


trees = st.recursive(
    st.integers(0, 3).map(lambda position: lambda leaves, functions: leaves[position]),
    lambda below: (
        st.builds(combined, st.sampled_from(_COMBINATIONS), below, below)
        | st.builds(applied, st.sampled_from(sorted(_SHOWN)), below)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(tree=trees, values=st.lists(st.floats(-4, 4, width=32), min_size=4, max_size=4))
def test_single_precision_agrees_within_the_scale(tree: Tree, values: list[float]) -> None:
    """What the trace promises: float32 arithmetic and the shown one agree within 1e-5 of the scale; 2e-6 do here."""
    computed = float(tree([np.float32(value) for value in values], _SINGLE))
    shown = tree([scalar(value) for value in values], _SHOWN)
    assert float(shown.scale()) >= abs(shown.value()) * (1 - 1e-12)
    assert abs(computed - shown.value()) <= 2e-6 * float(shown.scale())


def test_scale_of_a_sum_is_the_sum_of_sizes() -> None:
    assert float(Sum(a[...]).scale()) == pytest.approx(np.abs(A).sum())
    assert float(Sum(a[0, :] * b[:]).scale()) == pytest.approx(np.abs(A[0] * B).sum())
    assert float((a[0, 0] - b[0] + a[0, 1]).scale()) == pytest.approx(abs(A[0, 0]) + abs(B[0]) + abs(A[0, 1]))
    assert float((a[0, 0] * 3.0 - b[0]).scale()) == pytest.approx(abs(3 * A[0, 0]) + abs(B[0]))
    assert float((a[0, 0] - 0.1).scale()) == pytest.approx(abs(A[0, 0]) + 0.1)  # 0.1 is rounded, unlike 0.5
    assert float(Max(b[:]).scale()) == pytest.approx(abs(B.max()))


def test_a_difference_of_exact_numbers_is_rounded_once() -> None:
    largest = Named("max", Max(a[0, :]))
    for difference in (a[0, 0] - b[0], 1.0 - b[1], largest - a[0, 1], -a[0, 0] + 0.5, a[...] - Column(Max(a[...], 1))):
        np.testing.assert_allclose(difference.scale(), np.abs(difference.values()))
    assert float(exp(scalar(1000) - scalar(999)).scale()) == pytest.approx(2 * math.e)


def test_a_function_passes_on_the_error_of_its_argument() -> None:
    difference = scalar(500) * 2.0 - scalar(999)
    assert float(exp(difference).scale()) == pytest.approx(math.e + math.e * 1999)
    assert float(Power(difference, 2).scale()) == pytest.approx(1 + 2 * 1998)
    assert float((difference * difference).scale()) == pytest.approx(1 + 2 * 1998)
    assert float((scalar(6) / difference).scale()) == pytest.approx(6 * 1999)


def test_masked_scores_have_a_finite_scale() -> None:
    scores = operand([1.0, -INFINITE, 0.5])[:]
    largest = Named("max", Max(scores))
    share = exp(scores - largest) / Sum(exp(scores - largest))
    assert share.values()[1] == 0
    assert np.isfinite(share.scale()).all()
    assert share.scale()[1] < 1e-30
    assert np.isfinite((share * operand([2.0, 3.0, 4.0])[:]).scale()).all()


@pytest.mark.parametrize("argument", [-INFINITE, -1e4, 1e4, 0.0])
def test_extreme_arguments_give_no_nan(argument: float) -> None:
    x = scalar(argument)
    for function in (tanh, erf, logistic, lambda x: exp(-(x * x)), lambda x: 0.5 * x * (1.0 + tanh(x))):
        expression = function(x)
        if not math.isnan(expression.value()):
            assert not np.isnan(expression.scale())


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        (scalar(0.5) + scalar(-0.25), "0.5 + (−0.25)"),
        (scalar(-0.5) * scalar(0.25) + scalar(1), "−0.5·0.25 + 1"),
        (scalar(1) - (scalar(2) - scalar(3)), "1 − (2 − 3)"),
        (scalar(1) + (scalar(2) + scalar(3)), "1 + 2 + 3"),
        (scalar(1) / (scalar(2) * scalar(3)), "1/(2·3)"),
        ((scalar(1) + scalar(2)) * scalar(3), "(1 + 2)·3"),
        (Power(scalar(-2), 2), "(−2)²"),
        (Power(scalar(1) + scalar(2), 3), "(1 + 2)³"),
        (-scalar(2), "−2"),
        (-scalar(-2), "−(−2)"),
        (exp(scalar(1) - scalar(2)) / scalar(4), "exp(1 − 2)/4"),
        (sqrt(scalar(4)), "√(4)"),
        (scalar(-INFINITE), "−∞"),
        (scalar(-0.0), "0"),
        (scalar(1 / 3), "0.333333"),
        (Sum(operand([])[:]), "0"),
        (Total(()), "0"),
        (Total((Total(()), scalar(2) * scalar(3))), "0 + 2·3"),
        (Total((Sum(operand([])[:]), Sum(operand([1, 2])[:]))), "0 + (1 + 2)"),
        (Total((scalar(2) + scalar(3),)) * 4.0, "(2 + 3)·4"),
        (Sum(operand([3])[:]) * 2.0, "3·2"),
        (Sum(operand([1, -2, 3])[:]), "1 + (−2) + 3"),
        (Sum(operand([1, 2])[:] - operand([3, 4])[:]), "(1 − 3) + (2 − 4)"),
        (Sum(operand([1, 2])[:]) / 2.0, "(1 + 2)/2"),
        (Max(operand([1, 5, 2])[:]), "max(1, 5, 2)"),
        (Argmax(operand([1, 5, 2])[:]), "argmax(0: 1, 1: 5, 2: 2)"),
        (Choice(scalar(2), scalar(2), Constant(0)), "2 because 2 > 0"),
        (Choice(scalar(-1), scalar(-1), Constant(0)), "0 because −1 ≤ 0"),
        (Choice(scalar(0), scalar(7), Constant(-INFINITE), "allowed"), "−∞ because allowed = 0"),
    ],
)
def test_text_of_small_expressions(expression: Expression, shown: str) -> None:
    assert text(expression) == shown


def test_long_sums_show_the_largest_terms_and_the_rest_as_one() -> None:
    x = operand([0.5, -9, 1, 4, 0.25, -3])[:]
    assert text(Sum(x), terms=2) == "−9 + 4 + [4 more: −1.25]"
    assert text(Max(x), terms=2) == "max(1, 4, … 4 smaller)"
    assert text(Argmax(x), terms=2) == "argmax(2: 1, 3: 4, … 4 smaller)"
    parts = tuple(x.at((position,)) for position in range(6))
    assert text(Total(parts), terms=2) == "−9 + 4 + [4 more: −1.25]"


def test_what_is_shown_is_kept_with_its_names() -> None:
    rendering = Rendering()
    mean = Named("μ", Mean(operand([1, 3])[:]))
    assert (scalar(5) - mean).text(rendering) == "5 − 2"
    ((symbol, value),) = rendering.named
    assert (symbol, value) == ("μ", 2.0)
    assert rendering.named[symbol, value].text(rendering) == "(1 + 3)/2"
    assert rendering.sources == {"x[]": 5.0, "x[0]": 1.0, "x[1]": 3.0}
    assert number(1e-7) == "1e−07"


def test_elements_name_themselves() -> None:
    assert list(a.pick(np.array([0, 2]), 1).labelled()) == [("a[0, 1]", A[0, 1]), ("a[2, 1]", A[2, 1])]
    assert list(operand(3.0)[()].labelled()) == [("x[]", 3.0)]


def test_walk_visits_shared_parts_once() -> None:
    shared = Sum(b[:])
    found = list(walk(shared * shared + shared))
    assert found.count(shared) == 1
    assert sum(isinstance(part, Elements) for part in found) == 1
    deep: Expression = Constant(1.0)
    for _ in range(2 * sys.getrecursionlimit()):
        deep = -deep
    assert sum(1 for _ in walk(deep)) == 2 * sys.getrecursionlimit() + 1


class Cost(nn.Module):
    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(logits, targets)


@pytest.mark.parametrize(("rows", "classes"), [(700, 65), (2000, 10)])
def test_a_large_cross_entropy_is_explained_quickly(rows: int, classes: int) -> None:
    logits, targets = torch.randn(rows, classes, requires_grad=True), torch.randint(classes, (rows,))
    module = Cost()
    with Trace(module) as trace:
        loss = module(logits, targets)
        loss.backward()
    names = {record.sizes: record.name for record in trace.tensors}
    start = time.perf_counter()
    for cell in (names[()], f"grad:{names[rows, classes]}[3, 5]"):
        explanation = trace.cell(cell)
        assert explanation.agrees
        assert explanation.rendering()[0]
        assert len(explanation.sources()) >= classes
    assert time.perf_counter() - start < 5  # 0.3 s on two cores; the limit only catches another order of growth


@pytest.mark.parametrize("count", [1, 6, 40])
def test_the_smallest_are_those_that_a_stable_sort_puts_first(count: int) -> None:
    many = np.random.default_rng(0).integers(0, 50, 5000).astype(float)  # with many that are equal
    many[7] = -np.inf
    some = many[:20]
    broken = np.where(many < 49, np.nan, many)  # most are not a number: these come last
    for keys in (many, some, broken, many.reshape(50, 100)):
        np.testing.assert_array_equal(smallest(keys, count), np.argsort(keys.reshape(-1), kind="stable")[:count])


def test_nothing_of_an_unbounded_error_is_nothing() -> None:
    with np.errstate(all="ignore"):  # as where expressions are measured
        found = times(np.array([0.0, np.inf, 2.0, np.inf]), np.array([np.inf, 0.0, 3.0, 1.0]))
    assert found.tolist() == [0.0, 0.0, 6.0, np.inf]
