"""A whole GPT's trace: names, dimensions, agreement of every kind of number, and the way back to the tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from small_gpt import BLOCKS, HEADS, MODEL, PLACES, VOCAB, Traced

from kqv.errors import TraceError
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace

ATTENTION = {
    "query_key_value": {"batch": 2, "position": PLACES, "joined": 3 * MODEL},
    "queries": {"batch": 2, "head": HEADS, "query": PLACES, "channel": MODEL // HEADS},
    "keys": {"batch": 2, "head": HEADS, "key": PLACES, "channel": MODEL // HEADS},
    "values": {"batch": 2, "head": HEADS, "key": PLACES, "channel": MODEL // HEADS},
    "scores": {"batch": 2, "head": HEADS, "query": PLACES, "key": PLACES},
    "weights": {"batch": 2, "head": HEADS, "query": PLACES, "key": PLACES},
    "mixed": {"batch": 2, "head": HEADS, "query": PLACES, "channel": MODEL // HEADS},
    "output": {"batch": 2, "position": PLACES, "model": MODEL},
}


def shape_of(record: TensorRecord) -> dict[str, int]:
    return dict(zip(record.dimensions, record.sizes, strict=True))


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_named_with_its_dimensions(traced: Traced, block: int, name: str) -> None:
    record = traced.trace[f"blocks.{block}.attention.{name}"]
    assert shape_of(record) == ATTENTION[name]
    assert record.location.file.startswith("kqv/models/")


def test_the_ends_are_named(traced: Traced) -> None:
    trace = traced.trace
    assert shape_of(trace["ids"]) == {"batch": 2, "position": PLACES}
    assert shape_of(trace["logits"]) == {"batch": 2, "position": PLACES, "vocab": VOCAB}
    assert shape_of(trace["loss"]) == {}
    assert trace["loss"].symbol == "C"
    assert torch.equal(trace["logits"].value, traced.logits)


def test_every_activation_has_named_dimensions(traced: Traced) -> None:
    nameless = [r.name for r in traced.trace if r.kind == "activation" and len(r.dimensions) != len(r.sizes)]
    assert all("given" in name for name in nameless), nameless


def random_cells(trace: Trace, phase: str, count: int) -> Iterator[str]:
    chance = random.Random(1)
    for record in trace:
        if (phase == "grad:" and record.gradient is None) or (phase == "update:" and record.name not in trace.updates):
            continue
        for _ in range(count):
            position = ",".join(str(chance.randrange(size)) for size in record.sizes)
            yield f"{phase}{record.name}[{position}]" if position else phase + record.name


@pytest.mark.parametrize("phase", ["", "grad:", "update:"])
def test_shown_arithmetic_agrees_with_recorded_values(traced: Traced, phase: str) -> None:
    cells = list(random_cells(traced.trace, phase, 6))
    assert len(cells) > 100
    for cell in cells:
        explanation = traced.trace.cell(cell)
        assert explanation.agrees, f"{cell}: {explanation.text(100)}"
        if phase and "given" not in explanation.heading:
            assert explanation.expression is not None


@pytest.mark.parametrize("phase", ["", "grad:"])
def test_shown_arithmetic_agrees_with_dropout_and_gelu_by_tanh(dropping: Traced, phase: str) -> None:
    cells = list(random_cells(dropping.trace, phase, 4))
    parts = {"dropout.dropped", "blocks.1.attention.weights_dropout.dropped", "blocks.0.feed_forward.active"}
    assert parts <= {cell.removeprefix(phase).partition("[")[0] for cell in cells}
    for cell in cells:
        explanation = dropping.trace.cell(cell)
        assert explanation.agrees, f"{cell}: {explanation.text(100)}"


@pytest.mark.parametrize(
    ("name", "given", "dimensions"),
    [
        ("dropout", "embedded", "batch position model"),
        ("blocks.0.attention.weights_dropout", "blocks.0.attention.weights", "batch head query key"),
        ("blocks.0.attention.dropout", "blocks.0.attention.output", "batch position model"),
        ("blocks.1.feed_forward.dropout", "blocks.1.feed_forward.output", "batch position model"),
    ],
)
def test_the_mask_of_a_dropout_is_recorded(dropping: Traced, name: str, given: str, dimensions: str) -> None:
    mask, dropped = dropping.trace[f"{name}.mask"], dropping.trace[f"{name}.dropped"]
    assert " ".join(mask.dimensions) == " ".join(dropped.dimensions) == dimensions
    assert 0 < mask.value.double().mean() < 1
    torch.testing.assert_close(dropped.value, dropping.trace[given].value * mask.value / 0.7)


def test_weights_are_shown_before_dropout(dropping: Traced) -> None:
    weights = dropping.trace["blocks.0.attention.weights"].value
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_gelu_by_tanh_is_named_so(dropping: Traced) -> None:
    assert "tanh" in dropping.trace.cell("blocks.0.feed_forward.active[0,0,0]").text(100)


def test_every_computed_activation_has_its_arithmetic(traced: Traced) -> None:
    for record in traced.trace:
        if record.kind == "activation" and record.producer is not None and record.name not in ("positions",):
            explanation = traced.trace.explain(record.cell_at(0))
            assert explanation.expression is not None or record.origin in {"arange", "tril", "ones"}, record


def test_gradients_are_those_of_pytorch(traced: Traced) -> None:
    for name, gradient in traced.gradients.items():
        recorded = traced.trace[name].gradient
        assert recorded is not None
        torch.testing.assert_close(recorded, gradient, rtol=0, atol=0)


def test_a_gradient_has_its_tensors_dimensions(traced: Traced) -> None:
    for record in traced.trace:
        if record.gradient is not None:
            assert tuple(record.gradient.shape) == record.sizes


def test_the_tied_head_contributes_twice(traced: Traced) -> None:
    used = int(traced.trace["ids"].value[0, 0])
    explanation = traced.trace.cell(f"grad:tokens.weight[{used}, 2]")
    headings = [part.heading for part in explanation.parts]
    assert len(headings) == 2
    assert any("embedding → token_vectors" in heading for heading in headings)
    assert any("linear → logits" in heading for heading in headings)
    total = sum(part.value for part in explanation.parts)
    assert total == pytest.approx(float(traced.gradients["tokens.weight"][used, 2]), rel=1e-5)
    assert all(part.expression is not None and part.value != 0 for part in explanation.parts)


def test_a_wrong_number_is_noticed(traced: Traced) -> None:
    explanation = traced.trace.cell("blocks.0.attention.scores[0,1,4,2]")
    assert explanation.agrees
    explanation.value *= 1.001
    assert not explanation.agrees
    assert "DISAGREES" in explanation.text(100)


def test_the_loss_comes_from_every_token_and_every_weight(traced: Traced) -> None:
    reached: dict[str, int] = {}
    for cell in traced.trace.walk_back("loss"):
        assert cell.phase == "forward"
        reached[cell.name] = reached.get(cell.name, 0) + 1
    trace = traced.trace
    assert reached["ids"] == 2 * PLACES
    assert reached["targets"] == 2 * PLACES
    for name, before in traced.before.items():
        if name.startswith(("blocks", "norm")):
            assert reached[name] == before.numel(), name
    used = {int(i) for i in trace["ids"].value.flatten()}
    assert reached["tokens.weight"] >= len(used) * MODEL
    assert reached["blocks.0.attention.scores"] == 2 * HEADS * PLACES * (PLACES + 1) // 2


def test_walking_back_is_breadth_first_and_ends(traced: Traced) -> None:
    cells = list(traced.trace.walk_back("blocks.0.attention.scores[0,0,1,0]"))
    assert len(cells) == len(set(cells))
    order = [cell.name for cell in cells]
    assert order[0] == "blocks.0.attention.products"
    assert order.index("blocks.0.attention.queries") < order.index("embedded") < order.index("ids")
    seen = {cell.index[1] for cell in cells if cell.name == "ids"}
    assert seen == {0, 1}  # a score depends on its query's and its key's token alone


@pytest.mark.parametrize("cell", ["grad:blocks.0.attention.query_key_value.weight[3,2]", "grad:tokens.weight[0,0]"])
def test_gradients_walk_back_to_the_loss(traced: Traced, cell: str) -> None:
    cells = {str(found) for found in traced.trace.walk_back(cell)}
    assert "grad:loss" in cells
    path = traced.trace.path_to_input(cell)
    assert str(path[-1].cell) == "grad:loss"
    assert path[-1].value == 1


def test_the_path_from_any_number_ends_at_a_token(traced: Traced) -> None:
    for record in traced.trace:
        if record.kind == "activation" and record.producer is not None and "position" in record.dimensions:
            path = traced.trace.path_to_input(str(record.cell_at(record.tensor.numel() - 1)))
            assert path[-1].cell.name in {"ids", "positions"}, f"{record}:\n{path}"


def test_an_update_walks_back_through_its_gradient(traced: Traced) -> None:
    cell = "update:blocks.1.feed_forward.narrow.weight[2,3]"
    sources = {str(source) for source in traced.trace.cell(cell).sources()}
    assert sources == {
        "blocks.1.feed_forward.narrow.weight[out=2, in=3]",
        "grad:blocks.1.feed_forward.narrow.weight[out=2, in=3]",
        "update:blocks.1.feed_forward.narrow.weight.velocity[out=2, in=3]",
    }
    assert str(traced.trace.path_to_input(cell)[-1].cell) == "grad:loss"


def test_unknown_names_are_answered_with_close_ones(traced: Traced) -> None:
    with pytest.raises(TraceError, match=r"blocks\.0\.attention\.scores"):
        traced.trace.cell("blocks.7.attention.scores[0,0,0,0]")
    assert "blocks.0.attention.scores" in traced.trace
    assert "scores" not in traced.trace
