"""Exchangeable parts of a Transformer, by name: each is its formula in plain PyTorch, is cached, traced and trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from twins import CONTEXT, MODEL, PATHS, batch, distance, gpt, gradients

from kqv.models.architecture import Architecture
from kqv.models.attention import Attention
from kqv.models.gpt import GPT
from kqv.models.heads import Heads
from kqv.models.masks import MASKS, sees_later
from kqv.models.normalisers import NORMALISERS
from kqv.models.positions import ALiBi
from kqv.models.scales import SCALES
from kqv.models.scores import SCORES, usual_scale
from kqv.trace.trace import Trace

HEADS = {"own keys": Heads(6, 6, 4), "shared keys": Heads(6, 2, 4)}


def squared(made: Any, q: Tensor, k: Tensor) -> Tensor:
    return torch.einsum("...qc,...kc->...qk", q**2, k**2)


def dot(made: Any, q: Tensor, k: Tensor) -> Tensor:
    return q @ k.mT


def reciprocal(made: Any, q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.mT) / ((q @ k.mT) ** 2 + 0.01)


def cosine(made: Any, q: Tensor, k: Tensor) -> Tensor:
    q, k = (x / (x.square().sum(-1, keepdim=True) + 1e-6).sqrt() for x in (q, k))
    return q @ k.mT


def half_square_of_the_distance(made: Any, q: Tensor, k: Tensor) -> Tensor:
    return -(q[..., :, None, :] - k[..., None, :, :]).square().sum(-1) / 2


def additive(made: Any, q: Tensor, k: Tensor) -> Tensor:
    asked, given = q @ made.score.query.weight.T, k @ made.score.key.weight.T
    return torch.tanh(asked[..., :, None, :] + given[..., None, :, :]) @ made.score.output.weight[0]


PLAIN_SCORES: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "dot": dot,
    "squared": squared,
    "dot-squared": lambda made, q, k: (q @ k.mT) ** 2,
    "negative": lambda made, q, k: -(q @ k.mT),
    "reciprocal": reciprocal,
    "reversed": lambda made, q, k: q @ k.flip(-1).mT,
    "cosine": cosine,
    "distance": half_square_of_the_distance,
    "none": lambda made, q, k: 0 * (q @ k.mT),
    "additive": additive,
}
PLAIN_MASKS: dict[str, Callable[[Tensor], Tensor]] = {  # of query − key
    "past": lambda distances: distances >= 0,
    "none": lambda distances: distances == distances,
    "future": lambda distances: distances <= 0,
    "window": lambda distances: (distances >= 0) & (distances < 3),
}
PLAIN_NORMALISERS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda s: s.softmax(-1),
    "softmax1": lambda s: s.exp() / (1 + s.exp().sum(-1, keepdim=True)),
    "sigmoid": lambda s: (s - s.isfinite().sum(-1, keepdim=True).double().log()).sigmoid(),
    "relu": lambda s: s.relu() / s.isfinite().sum(-1, keepdim=True),
}


def attention(heads: Heads, **choices: Any) -> Attention:
    torch.manual_seed(4)
    made = Attention(MODEL, heads, window=3, **choices).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def texts(positions: int) -> Tensor:
    generator = torch.Generator().manual_seed(positions)
    return torch.randn(3, positions, MODEL, dtype=torch.float64, generator=generator).requires_grad_()


def plain(made: Attention, x: Tensor, score: str, scale: str, mask: str, normaliser: str) -> Tensor:
    """Head by head in plain PyTorch."""
    heads, positions, found = made.heads, x.shape[1], []
    joined: Any = made.query_key_value
    queries, keys, values = torch.nn.functional.linear(x, joined.weight, joined.bias).split(list(heads.widths), -1)
    order = torch.arange(positions)
    distances = order[:, None] - order
    for head in range(heads.count):
        own, shared = (slice(at * heads.channels, (at + 1) * heads.channels) for at in (head, head // heads.group))
        fits = PLAIN_SCORES[score](made, queries[..., own], keys[..., shared])
        learned: Any = made.scale
        fits = fits * {"sqrt": 1 / math.sqrt(heads.channels), "none": 1.0}.get(scale, 1.0)
        fits = fits * learned.factor[head] if scale == "learned" else fits
        if made.lower is not None:
            slopes = [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]  # of six heads, as the paper's code has them
            fits = fits - slopes[head] * distances.abs()
        weights = PLAIN_NORMALISERS[normaliser](fits.masked_fill(~PLAIN_MASKS[mask](distances), float("-inf")))
        found.append(weights @ values[..., shared])
    merged = torch.cat(found, -1)
    return torch.nn.functional.linear(merged, made.projection.weight, made.projection.bias)


def assert_same(made: Attention, found: Tensor, expected: Tensor, x: Tensor) -> None:
    """The same output, and the same gradients of the input and of all weights."""
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    seed = torch.randn(expected.shape, dtype=expected.dtype, generator=torch.Generator().manual_seed(1))
    wanted = [x, *made.parameters()]
    for mine, its in zip(*(torch.autograd.grad(y, wanted, seed) for y in (found, expected)), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("scale", [None, *SCALES])
@pytest.mark.parametrize("score", SCORES)
def test_a_score_is_its_formula(score: str, scale: str | None, heads: Heads) -> None:
    made, x = attention(heads, score=score, scale=scale), texts(5)
    expected = plain(made, x, score, scale or usual_scale(score), "past", "softmax")
    assert_same(made, made(x, torch.arange(5)), expected, x)


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_and_a_normaliser_are_their_formulas(mask: str, path: str, normaliser: str, heads: Heads) -> None:
    made, x = attention(heads, mask=mask, normaliser=normaliser, written_out=PATHS[path]), texts(6)
    assert_same(made, made(x, torch.arange(6)), plain(made, x, "dot", "sqrt", mask, normaliser), x)


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("mask", MASKS)
def test_alibi_lowers_scores_by_distance(mask: str, heads: Heads) -> None:
    made, x = attention(heads, mask=mask, lower=ALiBi(heads)), texts(6)
    assert_same(made, made(x, torch.arange(6)), plain(made, x, "dot", "sqrt", mask, "softmax"), x)


@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("score", ["dot", "squared", "distance"])
def test_a_query_that_sees_nothing_gets_zeros(score: str, path: str, normaliser: str) -> None:
    made = attention(HEADS["own keys"], score=score, normaliser=normaliser, written_out=PATHS[path])
    x = texts(6)
    present = torch.arange(6) >= torch.tensor([0, 2, 6])[:, None]
    found = made(x, torch.arange(6), present=present)
    bias: Any = made.projection.bias
    assert torch.equal(found[2], bias.expand(6, MODEL))
    assert torch.equal(found[1, :2], bias.expand(2, MODEL))
    (gradient,) = torch.autograd.grad(found[2].sum(), x)
    assert not gradient.any()


PARTS: list[dict[str, Any]] = [
    *({"score": score} for score in SCORES),
    *({"score": score, "scale": "learned"} for score in SCORES),
    *({"scale": scale} for scale in SCALES),
    *({"normaliser": normaliser} for normaliser in NORMALISERS),
    {"mask": "window", "window": 3},
    {"mask": "window", "normaliser": "sigmoid", "positions": "alibi"},
    {"positions": "alibi"},
    {"positions": "rotary", "score": "reversed"},
    *({"norm": "none", "block": block} for block in ("pre-norm", "post-norm")),
    *({"residual": "none", "block": block} for block in ("pre-norm", "post-norm")),
    {"residual": "none", "norm": "none", "score": "none"},
]
SHARED = [{"heads": 6, "key_heads": key_heads} for key_heads in (6, 2)]


def spoken(parts: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in parts.items())


@pytest.mark.parametrize("heads", SHARED, ids=spoken)
@pytest.mark.parametrize("parts", PARTS, ids=spoken)
def test_generation_with_a_cache_is_the_whole_pass(parts: dict[str, Any], heads: dict[str, int]) -> None:
    model = gpt(written_out=False, **parts, **heads)
    ids, _ = batch()
    for borders in ([*range(CONTEXT + 1)], [0, 5, 6, 9, CONTEXT]):
        cache = model.new_cache(len(ids))
        with torch.no_grad():
            pieces = [model(ids[:, start:stop], cache) for start, stop in pairwise(borders)]
        assert float((torch.cat(pieces, 1) - model(ids)).detach().abs().max()) <= 1e-11


@pytest.mark.parametrize("heads", SHARED, ids=spoken)
@pytest.mark.parametrize("parts", [*PARTS, {"mask": "none"}, {"mask": "future"}], ids=spoken)
def test_every_number_of_it_is_explained(parts: dict[str, Any], heads: dict[str, int]) -> None:
    model = gpt(written_out=False, dtype=torch.float32, **parts, **heads)
    ids, targets = batch(2)
    with Trace(model) as trace:
        model.loss(model(ids[:, :6]), targets[:, :6]).backward()
    draw = torch.Generator().manual_seed(3)
    asked = 0
    for record in trace.tensors:
        if not record.name.startswith("blocks.1.attention") or not record.tensor.is_floating_point():
            continue
        position = torch.unravel_index(torch.randint(record.tensor.numel(), (), generator=draw), record.tensor.shape)
        cell = f"{record.name}[{', '.join(str(int(at)) for at in position)}]"
        asked += 1
        assert trace.cell(cell).agrees, cell
        if record.tensor.requires_grad and record.gradient is not None:
            assert trace.cell(f"grad:{cell}").agrees, cell
    assert asked > 10


@pytest.mark.parametrize("parts", [*PARTS, {"mask": "none"}, {"mask": "future"}], ids=spoken)
def test_it_trains_and_says_what_it_is(parts: dict[str, Any]) -> None:
    model = gpt(written_out=False, **parts)
    ids, targets = batch()
    before = model.loss(model(ids), targets)
    before.backward()
    found = gradients(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.sub_(0.01 * found[name])
    assert model.loss(model(ids), targets).item() < before.item()
    usual = Architecture().resolved()
    for field, value in parts.items():
        if field in ("score", "mask", "normaliser", "residual", "positions") and value != getattr(usual, field):
            assert value in model.describe()


def test_masks_say_themselves_whether_they_see_later_positions() -> None:
    assert {name for name in MASKS if sees_later(MASKS[name](3))} == {"none", "future"}


@pytest.mark.parametrize("mask", MASKS)
def test_what_a_mask_says_is_what_the_model_does(mask: str) -> None:
    model = gpt(written_out=False, mask=mask, window=3)
    ids, _ = batch()
    changed = ids.clone()
    changed[:, 9] = (ids[:, 9] + 1) % 29
    is_changed = distance(model(changed)[:, :9], model(ids)[:, :9]) > 1e-9
    assert is_changed == model.sees_later


def test_what_is_equivalent_with_other_weights() -> None:
    """`reversed` is `dot` with the keys' map read backwards, `negative` with that of the queries negated."""
    reversed_score, dot_score = (attention(HEADS["own keys"], score=name) for name in ("reversed", "dot"))
    negative = attention(HEADS["own keys"], score="negative")
    x = texts(5)
    own = slice(24, 48)
    with torch.no_grad():
        for tensor in ("weight", "bias"):
            theirs: Any = getattr(reversed_score.query_key_value, tensor)
            theirs[own] = theirs[own].unflatten(0, (6, 4)).flip(1).flatten(0, 1)
            getattr(negative.query_key_value, tensor)[:24].neg_()
    expected = dot_score(x, torch.arange(5))
    for made in (reversed_score, negative):
        torch.testing.assert_close(made(x, torch.arange(5)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_a_learned_scale_begins_at_the_usual_one(score: str) -> None:
    usual = usual_scale(score)
    torch.manual_seed(1)
    first = Architecture(CONTEXT, MODEL, 3, 1, score=score, scale=usual)
    learned = Architecture(CONTEXT, MODEL, 3, 1, score=score, scale="learned")
    models = []
    for chosen in (first, learned):
        torch.manual_seed(1)
        models.append(GPT(29, chosen))
    ids, _ = batch()
    assert distance(models[1](ids), models[0](ids)) < 1e-6
    factor: Any = dict(models[1].named_parameters())["blocks.0.attention.scale.factor"]
    assert len(set(factor.tolist())) == 1


@pytest.mark.parametrize("block", ["pre-norm", "post-norm"])
def test_without_residuals_nothing_begins_at_zero_and_stays_there(block: str) -> None:
    torch.manual_seed(1)
    parts: dict[str, Any] = {"residual": "none", "initialisation": "zero-projections", "tied": False, "block": block}
    model = GPT(29, Architecture(CONTEXT, MODEL, 3, 2, **parts))
    ids, targets = batch()
    model.loss(model(ids), targets).backward()
    assert all(gradient.any() for name, gradient in gradients(model).items() if name.endswith("weight"))
