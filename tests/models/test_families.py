"""GPT by composition: the families are the same class with other parts, and each part is what its formula says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from twins import BLOCKS, CONTEXT, FAMILIES, HEADS, MODEL, PATHS, VOCAB, batch, distance, gpt, gradients

from kqv.errors import Error
from kqv.models.architecture import Architecture
from kqv.models.attention import Attention
from kqv.models.families import GPT2, LLAMA, QWEN3, family_of
from kqv.models.gpt import GPT
from kqv.models.heads import Heads
from kqv.models.positions import Rotary

GROUPED = {"positions": "rotary", "heads": 6, "key_heads": 2}


@pytest.mark.parametrize("family", FAMILIES)
def test_written_out_and_fused_attention_are_one_function(family: str) -> None:
    fused, written_out = (gpt(way, **FAMILIES[family]) for way in (False, True))
    ids, targets = batch()
    for model in (fused, written_out):
        model.loss(model(ids), targets).backward()
    assert distance(fused(ids), written_out(ids)) < 1e-12
    expected = gradients(written_out)
    for name, gradient in gradients(fused).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-11, atol=1e-12, msg=name)


@pytest.mark.parametrize("borders", [[*range(CONTEXT + 1)], [0, 5, 6, 9, CONTEXT], [0, CONTEXT]], ids=str)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_with_a_cache_pieces_have_the_logits_of_the_whole(family: str, path: str, borders: list[int]) -> None:
    model = gpt(PATHS[path], **FAMILIES[family])
    ids, _ = batch()
    cache = model.new_cache(len(ids))
    assert cache.blocks[0].keys.shape == (len(ids), model.heads.key_heads, CONTEXT, model.heads.channels)
    with torch.no_grad():
        found = torch.cat([model(ids[:, start:stop], cache) for start, stop in pairwise(borders)], 1)
    assert float((found - model(ids)).detach().abs().max()) <= 1e-12


def turned(x: Tensor, base: float) -> Tensor:
    """Rotary positions by complex numbers: the pair (x[i], x[i + half]) times e^(iθ)."""
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2])[:, None] * base ** (-torch.arange(half, dtype=torch.float64) / half)
    pairs = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat((pairs.real, pairs.imag), -1)


@pytest.mark.parametrize("path", PATHS)
def test_grouped_normed_and_turned_attention_is_the_formula_head_by_head(path: str) -> None:
    torch.manual_seed(4)
    heads, key_heads, channels, base = 6, 2, 4, 50.0
    attention = Attention(
        MODEL, Heads(heads, key_heads, channels), written_out=PATHS[path], turn=Rotary(base), query_key_norm=True,
        epsilon=1e-3,
    ).double()  # fmt: skip
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(2, 7, MODEL, dtype=torch.float64)
    assert attention.query_key_value is not None
    joined = F.linear(x, attention.query_key_value.weight, attention.query_key_value.bias)
    parts = joined.unflatten(-1, (heads + 2 * key_heads, channels)).transpose(1, 2)
    assert attention.query_norm is not None
    assert attention.key_norm is not None
    mixed = []
    for head in range(heads):
        shared = heads + head // (heads // key_heads)
        query = F.rms_norm(parts[:, head], (channels,), attention.query_norm.weight, 1e-3)
        key = F.rms_norm(parts[:, shared], (channels,), attention.key_norm.weight, 1e-3)
        value = parts[:, shared + key_heads]
        mixed.append(F.scaled_dot_product_attention(turned(query, base), turned(key, base), value, is_causal=True))
    expected = F.linear(torch.cat(mixed, -1), attention.projection.weight, attention.projection.bias)
    torch.testing.assert_close(attention(x, torch.arange(7)), expected, rtol=1e-12, atol=1e-12)


def test_the_gate_is_silu_of_its_own_map() -> None:
    model = gpt(written_out=False, feed_forward="swiglu", hidden=20)
    part: Any = model.blocks[0].feed_forward
    x = torch.randn(2, 3, MODEL, dtype=torch.float64)
    gate, hidden = F.linear(x, part.widen.weight, part.widen.bias).chunk(2, -1)
    expected = F.linear(F.silu(gate) * hidden, part.narrow.weight, part.narrow.bias)
    torch.testing.assert_close(part(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_logit_depends_on_a_later_token(family: str) -> None:
    model = gpt(written_out=False, **FAMILIES[family])
    ids, _ = batch()
    changed = ids.clone()
    changed[:, 9] = (ids[:, 9] + 1) % VOCAB
    before, after = model(ids), model(changed)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.isclose(before[:, 9:], after[:, 9:]).all(-1).any()


def test_turned_scores_depend_on_distances_alone() -> None:
    attention: Any = gpt(written_out=False, **{**LLAMA.parts, "heads": 6}).blocks[0].attention
    x = torch.randn(1, 5, MODEL, dtype=torch.float64)
    scores = []
    for start in (0, 1000):
        queries, keys, _ = attention.ask(x, torch.arange(start, start + 5), None)
        scores.append(queries @ keys.mT)
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_architecture_makes_the_same_model_again(family: str) -> None:
    model = gpt(written_out=False, **FAMILIES[family])
    again = GPT(model.vocab, model.architecture)
    assert {name: t.shape for name, t in again.state_dict().items()} == {
        name: t.shape for name, t in model.state_dict().items()
    }
    assert again.architecture == model.architecture
    assert again.describe() == model.describe()


def test_a_model_knows_its_family() -> None:
    found = {
        name: family_of(Architecture(**{"width": MODEL, "heads": HEADS, **parts})) for name, parts in FAMILIES.items()
    }
    assert found == {"gpt2": GPT2, "llama": LLAMA, "qwen3": QWEN3, "a mixture": None}
    assert family_of(Architecture(feed_forward="gelu-tanh", bias=False)) is GPT2
    assert family_of(Architecture(key_heads=1)) is None
    assert GPT2.differences(Architecture(channels=10)) == ["channels 10"]
    assert LLAMA.differences(Architecture(**{**QWEN3.parts, "norm": "layer"})) == [
        "layer norm",
        "norm of queries and keys",
    ]


def test_it_says_what_it_is() -> None:
    llama = gpt(written_out=False, **FAMILIES["llama"])
    family = "a GPT of Llama's architecture (rotary positions, RMS norm, SwiGLU)"
    assert llama.describe() == f"{family}, 2 blocks, 6 heads on 3 of keys, 24 wide, context 16, vocab 29"
    mixture = gpt(written_out=False, norm="rms").describe()
    assert mixture.startswith("GPT (learned positions, rms norm, gelu, queries and keys plain), 2 blocks, 3 heads")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
def test_with_zero_projections_the_blocks_add_nothing_at_first(family: str, tied: bool) -> None:
    torch.manual_seed(2)
    parts = {"heads": HEADS, **FAMILIES[family], "tied": tied, "initialisation": "zero-projections", "dropout": 0.0}
    model = GPT(VOCAB, Architecture(CONTEXT, MODEL, blocks=BLOCKS, **parts))
    ids, targets = batch()
    assert model.norm is not None
    embedded = model.tokens(ids)
    if model.positions is not None:
        embedded = embedded + model.positions(torch.arange(CONTEXT))
    assert torch.equal(model.read(ids), model.norm(embedded))
    model.loss(model(ids), targets).backward()
    grown: Any = model.blocks[0]
    assert grown.attention.projection.weight.grad.any(), "and they can grow"
    assert grown.feed_forward.narrow.weight.grad.any()
    if not tied:
        assert float(model(ids).detach().abs().max()) < 0.1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"positions": "sinus"},
            "positional encoding 'sinus'; choose one of: learned, rotary, sinusoidal, alibi, periodic, none",
        ),
        ({"norm": "batch"}, "no norm 'batch'; choose one of: layer, rms, none"),
        ({"feed_forward": "elu"}, "no feed-forward part 'elu'; choose one of: gelu, gelu-tanh, relu, swiglu, geglu"),
        ({"initialisation": "he"}, "no initialisation 'he'; choose one of: gpt2, zero-projections, unit"),
        ({"key_heads": 2}, "3 heads cannot share 2 heads of keys evenly"),
        ({"key_heads": 0}, "3 heads cannot share 0 heads of keys evenly"),
        ({"positions": "rotary", "channels": 5}, "turn pairs of channels, and a head has 5"),
        ({"channels": 0}, "a head has 0 channels; choose at least 1"),
        ({"hidden": 0}, "hidden 0"),
        ({"positions": "periodic", "period": 0}, "period 0"),
        ({"period": 3}, "only periodic positions have a period, not learned ones; leave out period 3"),
    ],
)
def test_parts_that_do_not_exist_or_do_not_fit_are_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(Error, match=message):
        gpt(written_out=False, **parts)


def test_the_head_of_its_own_is_no_part_of_a_tied_model() -> None:
    names = {tied: set(gpt(written_out=False, tied=tied).state_dict()) for tied in (True, False)}
    assert names[False] - names[True] == {"unembedding.weight"}


@pytest.mark.parametrize("path", PATHS)
def test_dropout_with_shared_keys_drops_the_same_weights_either_way(path: str) -> None:
    model = gpt(PATHS[path], dropout=0.3, **GROUPED)
    ids, _ = batch()
    torch.manual_seed(8)
    first = model(ids)
    torch.manual_seed(8)
    assert torch.equal(first, model(ids))
    assert not torch.equal(first, model(ids))
    plain = gpt(PATHS[path], **GROUPED)
    assert distance(model.eval()(ids), plain(ids)) < 1e-12
