"""Attention asks its own text or another, never sees padding; score, mask and normaliser are exchangeable."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from twins import CONTEXT, MODEL, PATHS, batch, distance, gpt, gradients

from kqv.errors import Error
from kqv.interchange.hugging_face import write
from kqv.models.attention import Attention
from kqv.models.cache import BlockCache, ContextCache
from kqv.models.families import FAMILIES, LLAMA
from kqv.models.heads import Heads
from kqv.models.masks import MASKS
from kqv.models.positions import Rotary
from kqv.models.scores import SCORES
from kqv.operations import matmul, multiply
from kqv.operations.mask import last_seen, up_to_own
from kqv.recording import note
from kqv.trace.trace import Trace

HEADS = {"own keys": Heads(6, 6, 4), "shared keys": Heads(6, 2, 4)}
OTHER = 10  # width of the context


def attention(heads: Heads, **choices: Any) -> Attention:
    torch.manual_seed(4)
    made = Attention(MODEL, heads, **choices).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def texts(positions: int, width: int = MODEL) -> Tensor:
    generator = torch.Generator().manual_seed(positions)
    return torch.randn(3, positions, width, dtype=torch.float64, generator=generator).requires_grad_()


def reference(made: Attention, x: Tensor, context: Tensor, allowed: Tensor) -> Tensor:
    """Head by head in plain PyTorch; `allowed[batch, query, key]`."""
    heads = made.heads
    if made.query_key_value is not None:
        weight, bias = made.query_key_value.weight, made.query_key_value.bias
    else:
        assert made.query is not None
        assert made.key_value is not None
        weight, bias = made.key_value.weight, made.key_value.bias
    maps = torch.nn.functional.linear
    if made.query_key_value is not None:
        queries, keys, values = maps(x, weight, bias).split(list(heads.widths), -1)
    else:
        assert made.query is not None
        queries = maps(x, made.query.weight, made.query.bias)
        keys, values = maps(context, weight, bias).split(list(heads.widths[1:]), -1)
    found = []
    for head in range(heads.count):
        shared = head // heads.group
        own = queries[..., head * heads.channels : (head + 1) * heads.channels]
        their = slice(shared * heads.channels, (shared + 1) * heads.channels)
        scores = own @ keys[..., their].mT / math.sqrt(heads.channels)
        weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1).nan_to_num(0.0)
        found.append(weights @ values[..., their])
    return maps(torch.cat(found, -1), made.projection.weight, made.projection.bias)


def assert_same(made: Attention, found: Tensor, expected: Tensor, *inputs: Tensor) -> None:
    """The same output, and the same gradients of the inputs and of all weights."""
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    wanted = [*inputs, *made.parameters()]
    seed = torch.randn_like(expected)
    ours = torch.autograd.grad(found, wanted, seed)
    theirs = torch.autograd.grad(expected, wanted, seed)
    for mine, its in zip(ours, theirs, strict=True):
        assert torch.isfinite(mine).all()
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("path", PATHS)
def test_of_a_context_each_position_sees_all(path: str, heads: Heads) -> None:
    made = attention(heads, mask="none", context_width=OTHER, written_out=PATHS[path])
    x, context = texts(5), texts(7, OTHER)
    found = made(x, torch.arange(5), context)
    assert_same(made, found, reference(made, x, context, torch.ones(3, 5, 7, dtype=torch.bool)), x, context)
    assert {name.partition(".")[0] for name in made.state_dict()} == {"query", "key_value", "projection"}


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("path", PATHS)
def test_no_position_sees_padding_and_one_that_sees_nothing_gets_zeros(path: str, heads: Heads) -> None:
    made = attention(heads, mask="none", context_width=OTHER, written_out=PATHS[path])
    x, context = texts(5), texts(7, OTHER)
    present = torch.arange(7) < torch.tensor([7, 3, 0])[:, None]
    found = made(x, torch.arange(5), context, present=present)
    expected = reference(made, x, context, present[:, None].expand(3, 5, 7))
    assert_same(made, found, expected, x, context)
    assert torch.equal(found[2], made.projection.bias.expand(5, MODEL))  # type: ignore[union-attr]
    (gradient,) = torch.autograd.grad(made(x, torch.arange(5), context, present=present).sum(), context)
    assert not gradient[1, 3:].any()
    assert not gradient[2].any()
    shorter = made(x[1:2], torch.arange(5), context[1:2, :3])
    torch.testing.assert_close(found[1:2], shorter, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("path", PATHS)
def test_padding_goes_with_the_causal_mask(path: str, heads: Heads) -> None:
    made = attention(heads, written_out=PATHS[path])
    x = texts(6)
    present = torch.arange(6) >= torch.tensor([0, 2, 5])[:, None]  # padding stands in front, and the first see nothing
    allowed = present[:, None] & torch.ones(6, 6, dtype=torch.bool).tril()
    assert_same(made, made(x, torch.arange(6), present=present), reference(made, x, x, allowed), x)


@pytest.mark.parametrize("path", PATHS)
def test_a_decoder_computes_the_keys_of_a_context_once(path: str) -> None:
    made = attention(
        HEADS["shared keys"], mask="none", context_width=OTHER, query_key_norm=True, written_out=PATHS[path]
    )
    x, context = texts(5).detach(), texts(7, OTHER).detach()
    computed: list[object] = []
    assert made.key_value is not None
    made.key_value.register_forward_hook(lambda *_: computed.append(1))
    cache = ContextCache()
    with torch.no_grad():
        whole = made(x, torch.arange(5), context)
        steps = [made(x[:, [at]], torch.tensor([at]), context, cache) for at in range(5)]
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=1e-12, atol=1e-12)
    assert len(computed) == 2
    cache.clear()
    with torch.no_grad():
        made(x, torch.arange(5), context.flip(0), cache)
    assert len(computed) == 3
    with pytest.raises(Error, match=r"no gradient .* torch\.no_grad\(\)"):
        made(x, torch.arange(5), context, ContextCache())


def test_a_trace_explains_attention_to_a_context_with_padding() -> None:
    made = attention(HEADS["own keys"], mask="none", context_width=OTHER).float()
    x, context = texts(2).float().detach(), texts(4, OTHER).float().detach()
    with Trace(made) as trace:
        made(x, torch.arange(2), context, present=torch.arange(4) < torch.tensor([4, 3, 1])[:, None]).sum().backward()
    assert trace["present_scores"].sizes == (3, 6, 2, 4)
    for cell in (
        "scores[1,2,0,3]",
        "present_scores[1,2,0,3]",
        "weights[1,2,0,2]",
        "grad:key_value[1,0,3]",
        "keys[2,1,0,3]",
    ):
        assert trace.cell(cell).agrees, cell


@pytest.mark.parametrize(
    ("choices", "use", "message"),
    [
        ({}, {"context": texts(3)}, "make it with a context_width to ask for another one"),
        ({"context_width": MODEL}, {}, "cross-attention: give it a context"),
        ({"context_width": MODEL, "turn": Rotary(100.0)}, {}, "cross-attention has two, so leave them out"),
        ({"score": "cross"}, {}, "no score 'cross'; choose one of: dot"),
        ({"mask": "hat"}, {}, "no mask 'hat'; choose one of: past, none"),
        ({"normaliser": "hard"}, {}, "no normaliser 'hard'; choose one of: softmax"),
    ],
)
def test_what_does_not_go_together_is_refused(choices: dict[str, Any], use: dict[str, Any], message: str) -> None:
    with pytest.raises(Error, match=message):
        attention(HEADS["own keys"], **choices)(texts(3), torch.arange(3), **use)


def test_the_causal_rule_is_one() -> None:
    for queries, keys in ((4, 4), (1, 5), (3, 7), (4, 2)):
        allowed = up_to_own(queries, keys, torch.device("cpu"))
        for query in range(queries):
            assert allowed[query].tolist() == [key <= last_seen(query, queries, keys) for key in range(keys)]
            assert last_seen(query, queries, keys) == keys - 1 - (queries - 1 - query)


class HomeMade:
    """(q·k)²."""

    def __init__(self, heads: Heads) -> None:
        self.dimensions = heads.pairs

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        products = note("products", matmul(queries, keys.mT), self.dimensions)
        return multiply(products, products)


def two(queries: int, keys: int, device: torch.device) -> Tensor:
    """One's own position and the one before."""
    allowed = up_to_own(queries, keys, device)
    return allowed & ~allowed.tril(last_seen(0, queries, keys) - 2)


@pytest.mark.parametrize("path", PATHS)
def test_a_new_score_and_mask_are_used_on_both_paths(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORES, "home-made", HomeMade)
    monkeypatch.setitem(MASKS, "two", lambda _: two)
    made = attention(HEADS["own keys"], score="home-made", mask="two", written_out=PATHS[path])
    x = texts(5)
    assert made.query_key_value is not None
    joined = torch.nn.functional.linear(x, made.query_key_value.weight, made.query_key_value.bias)
    q, k, v = (part.unflatten(-1, (6, 4)).transpose(1, 2) for part in joined.split(24, -1))
    allowed = torch.tensor([[0 <= query - key <= 1 for key in range(5)] for query in range(5)])
    mixed = (q @ k.mT).square().masked_fill(~allowed, float("-inf")).softmax(-1) @ v
    expected = torch.nn.functional.linear(
        mixed.transpose(1, 2).flatten(2), made.projection.weight, made.projection.bias
    )
    assert_same(made, made(x, torch.arange(5)), expected, x)


def test_a_model_with_a_new_score_is_cached_traced_and_of_no_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCORES, "home-made", HomeMade)
    parts = {**LLAMA.parts, "heads": 6, "key_heads": 2}
    model = gpt(written_out=False, dtype=torch.float32, score="home-made", **parts)
    ids, targets = batch()
    assert distance(model(ids), gpt(written_out=False, dtype=torch.float32, **parts)(ids)) > 1e-3
    model.loss(model(ids), targets).backward()
    assert gradients(model)
    cache = model.new_cache(len(ids))
    with torch.no_grad():
        pieces = [model(ids[:, at : at + 4], cache) for at in range(0, CONTEXT, 4)]
    torch.testing.assert_close(torch.cat(pieces, 1), model(ids), rtol=1e-4, atol=1e-4)
    with Trace(model) as trace:
        model(ids[:, :3])
    assert trace.cell("blocks.1.attention.scores[0,1,2,2,0]").agrees
    assert "home-made score" in model.describe()
    for family in FAMILIES.values():
        assert "home-made score" in family.differences(model.architecture)
    with pytest.raises(Error, match="Llama, the nearest, has no home-made score; train one of"):
        write(model, None, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_nothing_is_cached_where_positions_see_later_ones() -> None:
    model = gpt(written_out=False, mask="none")
    with pytest.raises(Error, match=r"mask 'none' positions see later ones.* recompute the whole text"):
        model.new_cache(1)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(Error, match="there is a score 'dot' already"):
        SCORES.add("dot")(HomeMade)


def test_a_cache_of_ones_own_text_is_none_of_a_context() -> None:
    made = attention(HEADS["own keys"], mask="none", context_width=OTHER)
    room = torch.zeros(3, 6, 8, 4, dtype=torch.float64)
    cache = BlockCache(room, room.clone(), 8)
    with torch.no_grad():
        made(texts(2), torch.arange(2), texts(4, OTHER), cache)
    assert cache.length == 0
