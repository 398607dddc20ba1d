"""What a word attends to: the rows are the recorded weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_gpt import make_gpt
from torch import Tensor, nn

from kqv.errors import TraceError
from kqv.recording import note
from kqv.trace.trace import Trace
from kqv.trace.views.attention import attended, attentions

TOKENS = ["The", "␣pizza", "␣tast", "ed", "␣good"]
PARTS: dict[str, dict[str, Any]] = {
    "own keys": {},
    "shared keys": {"heads": 4, "key_heads": 2, "positions": "rotary"},
}


@pytest.fixture(params=PARTS)
def trace(request: pytest.FixtureRequest) -> Trace:
    model = make_gpt(**PARTS[request.param])
    with Trace(model) as trace:
        model(torch.tensor([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]))
    for dimension in ("query", "key"):
        trace.annotate(dimension=dimension, labels=TOKENS)
    return trace


@pytest.mark.parametrize("example", [0, 1])
def test_every_row_is_the_recorded_weight(trace: Trace, example: int) -> None:
    found = attended(trace, "tasted", example)
    assert found.tokens == range(2, 4)
    heads = set()
    for row in found.rows:
        weights = trace[f"{row.attention.module}.weights"].value[example].flatten(0, -3)
        assert row.query == 3  # the last token of the word asks
        assert row.weight == pytest.approx(float(weights[row.head, 3, list(row.keys)].sum()))
        heads.add((row.attention.module, row.head))
    assert len(heads) == sum(attention.heads for attention in attentions(trace))
    assert [row.weight for row in found.rows] == sorted((row.weight for row in found.rows), reverse=True)
    for row in found.by_head:
        assert sum(other.weight for other in found.of_head(row)) == pytest.approx(1.0)
        assert row.word == "pizza"  # besides the first and itself


def test_a_cell_of_the_table_can_be_read(trace: Trace) -> None:
    for attention in attentions(trace):
        for head in range(attention.heads):
            cell = trace.read(attention.cell(head, 4, 1))
            assert trace.value(cell) == float(attention.weights[head, 4, 1])


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_fits_a_terminal(trace: Trace, width: int) -> None:
    text = attended(trace, "good").text(width, heads=3)
    table = text.partition("the first of these")[0]
    assert all(len(line) <= max(width, 62) for line in table.splitlines())
    assert "heads with less" in text
    strongest = attended(trace, "good").by_head[0]
    assert f"{strongest.weight:.2f}" in text
    assert strongest.word in text


def test_the_first_word_has_only_itself(trace: Trace) -> None:
    found = attended(trace, "The")
    assert {row.word for row in found.by_head} == {"The"}
    assert all(row.weight == pytest.approx(1.0) for row in found.rows)
    assert "“The”" in found.text(80)


class Attending(nn.Module):
    """Weights of so many queries and keys, as any attention notes them."""

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.sizes = 1, 2, queries, keys

    def forward(self, x: Tensor) -> Tensor:
        return note("weights", torch.softmax(x.expand(self.sizes), -1), "batch head query key")


class Translating(nn.Module):
    """An encoder's attention to its own text, and a decoder's to the encoder's."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.cross_attention = Attending(3, 3), Attending(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x).sum() + self.cross_attention(x).sum()


def test_attention_between_two_texts() -> None:
    source, target = ["ein", "Hund", "bellt"], ["a", "dog"]
    model = Translating()
    with Trace(model) as trace:
        model(torch.tensor([0.0, 1.0, 2.0]))
    trace.annotate("encoder.weights", dimension="query", labels=source)
    trace.annotate("cross_attention.weights", dimension="query", labels=target)
    trace.annotate(dimension="key", labels=source)
    found = attended(trace, "dog")
    assert {row.attention.record.name for row in found.rows} == {"cross_attention.weights"}
    assert {row.word for row in found.rows} == {"ein", "Hund", "bellt"}
    assert {row.attention.record.name for row in attended(trace, "Hund").rows} == {"encoder.weights"}


def test_without_attention_it_says_so() -> None:
    with Trace() as trace:
        note("x", torch.ones(2), "in")
    with pytest.raises(TraceError, match="no attention weights"):
        attended(trace, "it")


def test_an_unknown_word_lists_the_tokens(trace: Trace) -> None:
    with pytest.raises(TraceError, match="The ␣pizza ␣tast ed ␣good"):
        attended(trace, "pasta")
