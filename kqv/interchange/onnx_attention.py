"""Attention as operators of ONNX: scores, what a query sees, and weights, each by the name of its part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kqv.errors import Error
from kqv.interchange.onnx_graph import Scope, form_of
from kqv.interchange.onnx_parts import linear, norm, square
from kqv.models.attention import Attention
from kqv.models.positions import ALiBi, Rotary
from kqv.models.scales import Learned
from kqv.models.scores import usual_scale
from kqv.operations.alibi import slopes

UNSEEN = torch.finfo(torch.float32).min / 2
"""What stands for −∞ in the scores of keys that are not seen: a row of padding sees none, and may not become NaN."""


@dataclass(frozen=True)
class Seen:
    """What the queries see: `penalty` is 0 or `UNSEEN`, `count` how many keys there are for each query (at least 1),
    both `[batch, 1, query, 1 or key]`; `distances[query, key]` between their positions, where they are asked for;
    `keys[1]`: how many keys there are."""

    penalty: str
    count: str
    keys: str
    distances: str | None = None


@dataclass(frozen=True)
class Turns:
    """cos θ and ∓sin θ of the queries' positions, `[batch, 1, position, channel]`."""

    cos: str
    sin: str


def turns_of(at: Scope, turn: Any, channels: int, context: int, positions: str) -> Turns:
    """The angles of rotary positions, looked up in tables. Raises `Error` for another way to turn."""
    if not isinstance(turn, Rotary):
        raise Error(f"positions by {type(turn).__name__} are not written to ONNX here; rotary ones are")
    half = channels // 2
    units = torch.cat((torch.ones(context, half), torch.zeros(context, half)), -1)
    with torch.no_grad():  # (1, 0), turned, is (cos θ, sin θ)
        cos, sin = torch.split(turn(units, torch.arange(context)), half, -1)
    tables = {"rotary.cos": torch.cat((cos, cos), -1), "rotary.sin": torch.cat((-sin, sin), -1)}
    return Turns(*(_looked_up(at, name, table, positions) for name, table in tables.items()))


def _looked_up(at: Scope, name: str, table: Tensor, positions: str) -> str:
    return at.add("Unsqueeze", at.add("Gather", at.weight(name, table), positions), at.whole(1))


def attention(
    at: Scope, module: Attention, parts: Any, x: str, seen: Seen, turns: Turns | None,
    past: tuple[str, str] | None = None, present: tuple[str, str] = ("", ""),
) -> str:  # fmt: skip
    """What each position of x `[batch, position, model]` gets; with a `past` its keys and values are before its own,
    and all of them come out as `present`. `parts`: the names of score, scale and normaliser."""
    assert module.query_key_value is not None
    joined = linear(at.into("query_key_value"), module.query_key_value, x)
    own, asked, given = at.split(joined, module.heads.widths)
    queries = _parted(at.into("query_norm"), module.query_norm, module.heads.count, module.heads.channels, own)
    keys = _parted(at.into("key_norm"), module.key_norm, module.heads.key_heads, module.heads.channels, asked)
    values = _parted(at, None, module.heads.key_heads, module.heads.channels, given)
    if turns is not None:
        queries, keys = _turned(at, queries, turns), _turned(at, keys, turns)
    if past is not None:
        root = Scope(at.graph)
        keys = root.add("Concat", past[0], keys, name=present[0], axis=2)
        values = root.add("Concat", past[1], values, name=present[1], axis=2)
    return mix(at, module, parts, (queries, keys, values), seen)


def keys_of(at: Scope, module: Attention, context: str, names: tuple[str, str]) -> None:
    """Keys and values of a context for cross-attention, which come out under these names."""
    assert module.key_value is not None
    heads, root = module.heads, Scope(at.graph)
    asked, given = at.split(linear(at.into("key_value"), module.key_value, context), heads.widths[1:])
    keys = _parted(at.into("key_norm"), module.key_norm, heads.key_heads, heads.channels, asked)
    values = _parted(at, None, heads.key_heads, heads.channels, given)
    for name, found in zip(names, (keys, values), strict=True):
        root.add("Identity", found, name=name)


def cross_attention(
    at: Scope, module: Attention, parts: Any, x: str, seen: Seen, kept: tuple[str, str]
) -> str:  # fmt: skip
    """What each position of x gets of a context, whose keys and values are `kept`."""
    assert module.query is not None
    own = linear(at.into("query"), module.query, x)
    queries = _parted(at.into("query_norm"), module.query_norm, module.heads.count, module.heads.channels, own)
    return mix(at, module, parts, (queries, *kept), seen)


def mix(at: Scope, module: Attention, parts: Any, asked: tuple[str, str, str], seen: Seen) -> str:
    """What queries `[batch, head, query, channel]` get of keys and values `[batch, key_head, key, channel]`, merged and
    projected. Heads that share keys ask one after the other, like so many more queries."""
    heads, (queries, keys, values) = module.heads, asked
    rows = queries
    if heads.group > 1:
        rows = at.add("Reshape", queries, at.whole(0, heads.key_heads, -1, heads.channels))
    score = form_of("score", parts.score, SCORES)
    scores = score(at.into("score"), module.score, rows, keys)
    if heads.group > 1:
        scores = at.add("Reshape", scores, at.add("Concat", at.whole(0, heads.count, -1), seen.keys, axis=0))
    scale = form_of("scale", parts.scale or usual_scale(parts.score), SCALES)
    scores = _lowered(at, module, scale(at, module.scale, scores), seen)
    masked = at.add("Add", scores, seen.penalty, name="masked_scores") if seen.penalty else scores
    weights = form_of("normaliser", parts.normaliser, NORMALISERS)(at, masked, seen)
    if heads.group > 1:
        weights = at.add("Reshape", weights, at.add("Concat", at.whole(0, heads.key_heads, -1), seen.keys, axis=0))
    mixed = at.add("MatMul", weights, values, name="mixed")
    if heads.group > 1:
        mixed = at.add("Reshape", mixed, at.whole(0, heads.count, -1, heads.channels))
    merged = at.add("Reshape", at.add("Transpose", mixed, perm=[0, 2, 1, 3]), at.whole(0, 0, heads.widths[0]))
    return linear(at.into("projection"), module.projection, merged)


def _parted(at: Scope, normed: Any, heads: int, channels: int, x: str) -> str:
    """By heads, `[batch, head, position, channel]`, normed where there is a norm."""
    x = at.add("Reshape", x, at.whole(0, 0, heads, channels))
    return at.add("Transpose", x if normed is None else norm(at, normed, x), perm=[0, 2, 1, 3])


def _turned(at: Scope, x: str, turns: Turns) -> str:
    """(x[i]·cos θ − x[i+half]·sin θ, x[i+half]·cos θ + x[i]·sin θ)."""
    half = at.graph.numbers["rotary.cos"].shape[-1] // 2
    first, second = at.split(x, (half, half))
    other = at.add("Concat", second, first, axis=-1)
    return at.add("Add", at.add("Mul", x, turns.cos), at.add("Mul", other, turns.sin))


def _lowered(at: Scope, module: Attention, scores: str, seen: Seen) -> str:
    """ALiBi's scores. Raises `Error` for another way to lower them."""
    if module.lower is None:
        return scores
    if not isinstance(module.lower, ALiBi) or seen.distances is None:
        raise Error(f"positions by {type(module.lower).__name__} are not written to ONNX here; ALiBi's are")
    own = Scope(at.graph).weight("alibi.slopes", torch.tensor(slopes(module.heads.count)).view(-1, 1, 1))
    return at.add("Sub", scores, at.add("Mul", own, seen.distances))


def products(at: Scope, score: Any, queries: str, keys: str) -> str:
    """q·k."""
    return at.add("MatMul", queries, at.add("Transpose", keys, perm=[0, 1, 3, 2]), name="products")


def _squared(at: Scope, score: Any, queries: str, keys: str) -> str:
    return products(at, score, square(at, queries), square(at, keys))


def _dot_squared(at: Scope, score: Any, queries: str, keys: str) -> str:
    return square(at, products(at, score, queries, keys))


def _negative(at: Scope, score: Any, queries: str, keys: str) -> str:
    return at.add("Neg", products(at, score, queries, keys))


def _reciprocal(at: Scope, score: Any, queries: str, keys: str) -> str:
    x = products(at, score, queries, keys)
    return at.add("Div", x, at.add("Add", square(at, x), at.number(0.01)))


def _reversed(at: Scope, score: Any, queries: str, keys: str) -> str:
    backwards = at.whole(*reversed(range(score.heads.channels)))
    return products(at, score, queries, at.add("Gather", keys, backwards, axis=-1))


def _cosine(at: Scope, score: Any, queries: str, keys: str) -> str:
    return products(at, score, _direction(at, queries), _direction(at, keys))


def _direction(at: Scope, x: str) -> str:
    return at.add("Div", x, at.add("Sqrt", at.add("Add", _squared_length(at, x), at.number(1e-6))))


def _squared_length(at: Scope, x: str) -> str:
    return at.add("ReduceSum", square(at, x), at.whole(-1), keepdims=1)


def _distance(at: Scope, score: Any, queries: str, keys: str) -> str:
    own, their = (at.add("Mul", _squared_length(at, x), at.number(-0.5)) for x in (queries, keys))
    nearer = at.add("Add", products(at, score, queries, keys), own)
    return at.add("Add", nearer, at.add("Transpose", their, perm=[0, 1, 3, 2]))


def _alike(at: Scope, score: Any, queries: str, keys: str) -> str:
    return at.add("Mul", products(at, score, queries, keys), at.number(0.0))


def _additive(at: Scope, score: Any, queries: str, keys: str) -> str:
    asked = at.add("Unsqueeze", linear(at.into("query"), score.query, queries), at.whole(3))
    given = at.add("Unsqueeze", linear(at.into("key"), score.key, keys), at.whole(2))
    bent = at.add("Tanh", at.add("Add", asked, given))
    return at.add("Squeeze", linear(at.into("output"), score.output, bent), at.whole(-1))


SCORES: dict[str, Callable[[Scope, Any, str, str], str]] = {
    "dot": products, "squared": _squared, "dot-squared": _dot_squared, "negative": _negative,
    "reciprocal": _reciprocal, "reversed": _reversed, "cosine": _cosine, "distance": _distance, "none": _alike,
    "additive": _additive,
}  # fmt: skip
"""Scores by name, of queries `[batch, key_head, query, channel]` and keys `[batch, key_head, key, channel]`."""


def _by_sqrt(at: Scope, scale: Any, scores: str) -> str:
    return at.add("Mul", scores, at.number(scale.factor))


def _learned(at: Scope, scale: Learned, scores: str) -> str:
    return at.add("Mul", scores, at.weight("scale.factor", scale.factor.view(-1, 1, 1)))


SCALES: dict[str, Callable[[Scope, Any, str], str]] = {
    "sqrt": _by_sqrt, "none": lambda at, scale, scores: scores, "learned": _learned,
}  # fmt: skip
"""Scales by name, of scores `[batch, head, query, key]`."""


def _softmax(at: Scope, scores: str, seen: Seen) -> str:
    return at.add("Softmax", scores, name="weights", axis=-1)


def _softmax1(at: Scope, scores: str, seen: Seen) -> str:
    largest = at.add("Max", at.add("ReduceMax", scores, axes=[-1]), at.number(0.0))
    powers = at.add("Exp", at.add("Sub", scores, largest))
    total = at.add("Add", at.add("Exp", at.add("Neg", largest)), at.add("ReduceSum", powers, at.whole(-1), keepdims=1))
    return at.add("Div", powers, total, name="weights")


def _sigmoid(at: Scope, scores: str, seen: Seen) -> str:
    return at.add("Sigmoid", at.add("Sub", scores, at.add("Log", seen.count)), name="weights")


def _relu(at: Scope, scores: str, seen: Seen) -> str:
    return at.add("Div", at.add("Relu", scores), seen.count, name="weights")


NORMALISERS: dict[str, Callable[[Scope, str, Seen], str]] = {
    "softmax": _softmax, "softmax1": _softmax1, "sigmoid": _sigmoid, "relu": _relu,
}  # fmt: skip
"""Normalisers by name."""
