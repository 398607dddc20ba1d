"""A trace and its explanations as text: complete, and never wider than the terminal."""

from __future__ import annotations

import pytest
import torch
from small_gpt import Traced

from kqv.operations import mask, scale, softmax
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.summary import Summary
from kqv.trace.views.text import spread, wrapped

CELLS = [
    "loss",
    "logits[0,1,2]",
    "blocks.1.attention.weights[1,1,3,2]",
    "blocks.0.attention.keys[0,1,3,2]",
    "grad:tokens.weight[3,4]",
    "grad:blocks.0.attention.query_key_value.weight[3,4]",
    "grad:embedded[0,1,5]",
    "update:blocks.0.feed_forward.widen.weight[2,3]",
    "tokens.weight[0,0]",
]


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("cell", CELLS)
def test_explanations_fit_the_width(traced: Traced, cell: str, width: int) -> None:
    for line in traced.trace.cell(cell).text(width).splitlines():
        assert len(line) <= width, line


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_width(traced: Traced, width: int) -> None:
    for line in traced.trace.table(width).splitlines():
        assert len(line) <= width, line


def test_the_table_has_every_tensor_with_shape_formula_and_position(traced: Traced) -> None:
    table = traced.trace.table(100)
    for record in traced.trace:
        own = record.name.removeprefix(f"{record.path}.") if record.kind == "activation" else record.name
        assert f"{own} {record.shape_text}" in table
        if record.formula:
            assert record.formula.split(",")[0] in table
    assert table.index("\nblocks.0.attention\n") < table.index("\nblocks.1.attention\n") < table.index("\nparameters\n")
    assert "kqv/models/layers.py:" in table
    assert str(traced.trace).splitlines()[0] == table.splitlines()[0]


def test_the_table_can_be_limited_to_modules(traced: Traced) -> None:
    table = traced.trace.table(80, modules=["blocks.1.attention"])
    assert "blocks.1.attention" in table
    assert "blocks.0" not in table


def test_an_explanation_says_everything(traced: Traced) -> None:
    text = traced.trace.cell("blocks.0.attention.scores[0,1,3,2]").text(100)
    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ") and line[2] != " "}
    assert set(lines) == {"formula", "numbers", "from", "check"}
    assert text.startswith("blocks.0.attention.scores[batch=0, head=1, query=3, key=2] = ")
    assert "scale · kqv/models/scales.py:" in text
    assert "differs by" in lines["check"]
    assert "blocks.0.attention.products[batch=0, head=1, query=3, key=2]" in lines["from"]


def test_each_use_of_a_tied_weight_has_its_own_arithmetic(traced: Traced) -> None:
    text = traced.trace.cell("grad:tokens.weight[3,4]").text(100)
    assert text.count("use 1") == text.count("use 2") == 1
    assert text.count("formula") == 3
    assert text.count("check") == 3


def test_minus_infinity_is_counted_apart() -> None:
    with Trace() as trace:
        scores = note("scores", torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "query key")
        allowed = note("allowed", torch.ones(2, 2, dtype=torch.bool).tril(), "query key")
        masked = note("masked", mask(scores, allowed), "query key")
        note("weights", softmax(masked), "query key")
    assert Summary.of(trace["masked"].value).text() == "min 1 · mean 2.67 · max 4 · 1 × −∞"
    assert trace.cell("masked[0,1]").agrees
    assert trace.cell("weights[0,1]").agrees
    assert trace.cell("weights[0,1]").value == 0
    assert "−∞" in trace.cell("masked[0,1]").text(80)


def test_summaries_of_odd_tensors() -> None:
    assert Summary.of(torch.zeros(0, 3)).text() == "empty"
    assert Summary.of(torch.tensor(2.5)).text() == "= 2.5"
    assert Summary.of(torch.tensor([True, False])).mean == 0.5
    assert Summary.of(torch.tensor([3, 5])).rms == pytest.approx(17**0.5)
    odd = Summary.of(torch.tensor([float("nan"), float("inf"), -float("inf")]))
    assert (odd.minimum, odd.mean, odd.minus_infinity, odd.plus_infinity, odd.not_a_number) == (None, None, 1, 1, 1)
    assert odd.text() == "1 × −∞ · 1 × +∞ · 1 × NaN"
    assert Summary.of(torch.tensor([1.0, 2.0], dtype=torch.bfloat16)).mean == 1.5


def test_lines_break_before_signs() -> None:
    lines = wrapped("1.5·(−2) + 3.25·(4 − 1) + [778 more: 0.331] + 0.05 = 7", 24, "  ")
    assert lines == ["1.5·(−2) + 3.25·(4 − 1)", "  + [778 more: 0.331]", "  + 0.05 = 7"]


def test_two_texts_on_a_line() -> None:
    assert spread("left", "right", 20) == ["left           right"]
    assert spread("left", "right", 10) == ["left", "    right"]


def test_notebooks_show_tables(traced: Traced) -> None:
    html = traced.trace._repr_html_()
    assert html.count("<details open>") >= 6
    assert "scores" in html
    shown = traced.trace.cell("grad:tokens.weight[3,4]")._repr_html_()
    assert "use 2" in shown
    with Trace() as trace:
        note("x", scale(torch.ones(1), factor=2.0), "in")
    trace.annotate("x", text="<script>alert(1)</script>", labels=["<b>bold</b>"])
    assert "<b>bold" not in trace.cell("x[0]")._repr_html_()


def test_names_complete_in_ipython(traced: Traced) -> None:
    assert traced.trace._ipython_key_completions_() == list(traced.trace.recorder.by_name)
    assert all(traced.trace[name] for name in traced.trace._ipython_key_completions_())
    assert "blocks.0.attention.scores" in traced.trace._ipython_key_completions_()
