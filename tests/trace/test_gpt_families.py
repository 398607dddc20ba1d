"""The trace explains every number of Llama and Qwen3: grouped queries, rotary positions, RMS norms, gates."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import torch
from small_gpt import HEADS, MODEL, PLACES, VOCAB, Traced, trace_gpt

from kqv.models.families import LLAMA, QWEN3
from kqv.trace.records import TensorRecord
from kqv.trace.trace import Trace

PARTS = {
    "llama": {**LLAMA.parts, "hidden": 12},
    "llama, grouped": {**LLAMA.parts, "heads": 4, "key_heads": 2},
    "qwen3": {**QWEN3.parts, "key_heads": 1, "channels": 6},
    "waves and norms after": {
        "positions": "sinusoidal",
        "block": "post-norm",
        "tied": False,
        "feed_forward": "swiglu",
        "hidden": 12,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=PARTS)
def family(request: pytest.FixtureRequest) -> tuple[str, Traced]:
    return request.param, trace_gpt(step=True, **PARTS[request.param])


def shape_of(record: TensorRecord) -> str:
    return " ".join(f"{name}={size}" for name, size in zip(record.dimensions, record.sizes, strict=True))


def cells(trace: Trace, phase: str, count: int) -> Iterator[str]:
    chance = random.Random(1)
    for record in trace:
        if (phase == "grad:" and record.gradient is None) or (phase == "update:" and record.name not in trace.updates):
            continue
        for _ in range(count):
            position = ",".join(str(chance.randrange(size)) for size in record.sizes)
            yield f"{phase}{record.name}[{position}]" if position else phase + record.name


@pytest.mark.parametrize("phase", ["", "grad:", "update:"])
def test_shown_arithmetic_agrees_with_recorded_values(family: tuple[str, Traced], phase: str) -> None:
    trace = family[1].trace
    found = list(cells(trace, phase, 4))
    parts = ["tokens.weight"]
    if phase != "update:":
        parts += [
            f"blocks.1.{name}" for name in ("attention.queries", "attention.scores", "feed_forward.gate", "output")
        ]
    assert set(parts) <= {cell.removeprefix(phase).partition("[")[0] for cell in found}
    for cell in found:
        explanation = trace.cell(cell)
        assert explanation.agrees, f"{cell}: {explanation.text(100)}"
        if phase and "given" not in explanation.heading:
            assert explanation.expression is not None, cell


def test_every_computed_activation_has_names_and_arithmetic(family: tuple[str, Traced]) -> None:
    trace = family[1].trace
    for record in trace:
        if record.kind == "activation" and record.producer is not None and record.name != "positions":
            assert len(record.dimensions) == len(record.sizes), record.name
            explanation = trace.explain(record.cell_at(0))
            assert explanation.expression is not None or record.origin in {"arange", "tril", "ones"}, record


def test_shared_keys_say_so_in_their_dimensions() -> None:
    trace = trace_gpt(step=False, **PARTS["llama, grouped"]).trace
    channels = MODEL // 4
    expected = {
        "queries": f"batch=2 head=4 query={PLACES} channel={channels}",
        "keys": f"batch=2 key_head=2 key={PLACES} channel={channels}",
        "values": f"batch=2 key_head=2 key={PLACES} channel={channels}",
        "scores": f"batch=2 key_head=2 group=2 query={PLACES} key={PLACES}",
        "weights": f"batch=2 key_head=2 group=2 query={PLACES} key={PLACES}",
        "mixed": f"batch=2 key_head=2 group=2 query={PLACES} channel={channels}",
        "merged": f"batch=2 position={PLACES} model={MODEL}",
    }
    for name, dimensions in expected.items():
        assert shape_of(trace[f"blocks.0.attention.{name}"]) == dimensions
    whole = trace_gpt(step=False, **PARTS["llama"]).trace["blocks.0.attention.scores"]
    assert shape_of(whole) == f"batch=2 head={HEADS} query={PLACES} key={PLACES}"


def test_a_shared_key_gets_what_all_queries_of_its_group_send_back() -> None:
    traced = trace_gpt(step=False, **PARTS["llama, grouped"])
    trace = traced.trace
    gradient, queries = trace["blocks.0.attention.products"].gradient, trace["blocks.0.attention.queries"].value
    assert gradient is not None
    by_head = gradient.flatten(1, 2).mT @ queries  # ∂C/∂k = Σ_query ∂C/∂s·q, for each of the four heads
    shared = trace["blocks.0.attention.keys"].gradient
    assert shared is not None
    torch.testing.assert_close(by_head.unflatten(1, (2, 2)).sum(2), shared)


def test_gradients_are_those_of_pytorch(family: tuple[str, Traced]) -> None:
    for name, gradient in family[1].gradients.items():
        recorded = family[1].trace[name].gradient
        assert recorded is not None
        torch.testing.assert_close(recorded, gradient, rtol=0, atol=0)


def test_a_score_comes_from_the_tokens_of_its_query_and_its_key(family: tuple[str, Traced]) -> None:
    trace = family[1].trace
    scores = trace["blocks.0.attention.scores"]
    position = ",".join(["0"] * (len(scores.sizes) - 2))
    found = list(trace.walk_back(f"blocks.0.attention.scores[{position},3,1]"))
    assert {cell.index[1] for cell in found if cell.name == "ids"} == {1, 3}
    assert {cell.index[0] for cell in found if cell.name == "positions"} == {1, 3}, "and from where they stand"


def test_the_head_has_weights_of_its_own_or_the_tokens(family: tuple[str, Traced]) -> None:
    name, traced = family
    used = int(traced.trace["ids"].value[0, 0])
    parts = traced.trace.cell(f"grad:tokens.weight[{used}, 2]").parts
    logit = {cell.name for cell in traced.trace.cell("logits[0,1,3]").sources()}
    if name == "qwen3":
        assert len(parts) == 2
        assert "tokens.weight" in logit
    else:
        assert "unembedding.weight" in logit
        assert traced.trace["unembedding.weight"].sizes == (VOCAB, MODEL)


def test_a_turned_key_from_the_cache_is_explained() -> None:
    traced = trace_gpt(step=False, **PARTS["qwen3"])
    model = traced.model.eval()
    ids = traced.trace["ids"].value
    with Trace(model) as trace, torch.no_grad():
        cache = model.new_cache(len(ids))
        model(ids[:, :3], cache)
        found = model(ids[:, 3:], cache)
    torch.testing.assert_close(found, model(ids)[:, 3:], rtol=1e-5, atol=1e-5)
    for cell in (
        "logits#2[1,0,3]",
        "blocks.1.attention.turned_keys#2[1,0,1,2]",
        "blocks.1.attention.weights#2[1,0,1,1,2]",
    ):
        explanation = trace.cell(cell)
        assert explanation.expression is not None
        assert explanation.agrees, explanation.text(100)
