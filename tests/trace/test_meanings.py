"""Words for positions: tokens, classes, files."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kqv.errors import TraceError
from kqv.operations import embedding, matmul
from kqv.recording import note
from kqv.trace.trace import Trace

WORDS = ["The", "pizza", "was", "hot"]


@pytest.fixture
def trace() -> Trace:
    table = nn.Parameter(torch.randn(5, 6))
    with Trace(nn.ParameterDict({"table": table})) as trace:
        ids = note("ids", torch.tensor([[3, 1, 0, 2]]), "batch position")
        vectors = note("vectors", embedding(table, ids), "batch position model")
        products = matmul(vectors, vectors.mT)
        note("products", products, "batch query key")
    return trace


def test_elements_have_words(trace: Trace) -> None:
    trace.annotate("ids", labels=WORDS)
    assert trace.cell("ids[0,1]").meaning == "“pizza”"
    assert "“pizza”" in trace.cell("ids[0,1]").text(80)
    assert "“The”, “pizza”" in trace.table(80)
    assert "“was”" in trace.cell("vectors[0,2,1]").text(80)  # which id chose the row
    assert str(trace.path_to_input("vectors[0,2,1]")).endswith("“was”")


def test_a_word_stands_for_its_position_in_a_cell(trace: Trace) -> None:
    for dimension in ("query", "key"):
        trace.annotate(dimension=dimension, labels=WORDS)
    assert trace.read("products[0,hot,pizza]").index == (0, 3, 1)
    assert trace.read("grad:products[key=The, query=was]").index == (0, 2, 0)
    with pytest.raises(TraceError, match="no word 'cold'"):
        trace.read("products[0,cold,pizza]")
    for cell in ("vectors[0,hot,1]", "products[it,0,0]", "table[pizza,0]"):
        with pytest.raises(TraceError, match="whole number"):
            trace.read(cell)


def test_nested_labels_fit_as_the_tensor_is_nested(trace: Trace) -> None:
    trace.annotate("ids", labels=[WORDS])
    assert trace.meaning("ids[batch=0, position=3]") == "“hot”"


def test_positions_of_a_dimension_have_words_everywhere(trace: Trace) -> None:
    trace.annotate(dimension="query", labels=WORDS)
    trace.annotate(dimension="key", labels=[WORDS])  # one list for each example
    assert trace.cell("products[0,1,3]").meaning == "query “pizza”, key “hot”"
    assert trace.cell("vectors[0,1,3]").meaning == ""


def test_positions_of_one_tensors_dimension(trace: Trace) -> None:
    trace.annotate("vectors", labels=WORDS, dimension="position")
    assert trace.meaning("vectors[0,1,3]") == "position “pizza”"
    assert trace.meaning("ids[0,1]") == ""


def test_a_whole_tensor_may_be_described(trace: Trace) -> None:
    trace.annotate("ids", text="first sentence of menu.txt")
    assert "first sentence of menu.txt" in trace.table(80)


def test_words_that_do_not_fit_are_refused(trace: Trace) -> None:
    with pytest.raises(TraceError, match="4 elements"):
        trace.annotate("ids", labels=WORDS[:3])
    with pytest.raises(TraceError, match="no dimension 'head'"):
        trace.annotate("ids", labels=WORDS, dimension="head")
    with pytest.raises(TraceError, match="no tensor named"):
        trace.annotate("tokens", labels=WORDS)
    with pytest.raises(TraceError, match="name of a tensor"):
        trace.annotate(labels=WORDS)
