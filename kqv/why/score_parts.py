"""Splitting an attention score: the streams at query and key, part by part through what makes a score of them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.attention import Attention
from kqv.models.layers import Linear, RMSNorm
from kqv.models.scores import SCORES
from kqv.recording import unseen
from kqv.trace.cells import Cell
from kqv.trace.trace import Trace
from kqv.trace.views.attention import axis_words
from kqv.trace.views.words import readable
from kqv.why.score import ScoreSplit
from kqv.why.stream import Sum, call_at, exact, stream_at
from kqv.why.tolerance import require_sum


@dataclass(frozen=True, eq=False)
class Asked:
    """A score that was asked for: its attention, flat head, query and key."""

    attention: Attention
    module: str
    head: int
    query: int
    key: int
    words: tuple[str, str]
    value: float
    weight: float

    @property
    def cell(self) -> str:
        """As it is typed."""
        return f"{self.module}.scores[0,{self.head},{self.query},{self.key}]"


def asked_score(trace: Trace, cell: Cell) -> Asked:
    """The score at a cell. Raises `Error` for a cell that is no attention score of the forward pass."""
    record = trace[cell.name]
    module, _, last = cell.name.rpartition(".")
    known = dict(trace.model.named_modules()) if trace.model is not None else {}
    attention = known.get(module)
    if cell.phase != "forward" or last != "scores" or not isinstance(attention, Attention):
        example = next((name for name, one in known.items() if isinstance(one, Attention)), "blocks.0.attention")
        raise Error(
            f"{cell} is no attention score, so it is not split into what query and key are made of; "
            f"write one as in '{example}.scores[0,0,1,0]', with words as positions if you like"
        )
    with unseen():
        weight = float(trace[f"{module}.weights"].value[cell.index])
    heads, (query, key) = cell.index[1:-2], cell.index[-2:]
    head = heads[0] if len(heads) == 1 else heads[0] * record.sizes[2] + heads[1]
    words = readable(axis_words(trace, record, "query")[query]), readable(axis_words(trace, record, "key")[key])
    return Asked(attention, module, head, query, key, words, trace.value(cell), weight)


def split_score(trace: Trace, cell: Cell, against: int | None = None) -> ScoreSplit:
    """A score of a trace, split. With x the stream before the attention at query and key, x = Σ parts, and

    score = Σ_ij score(turn(W_Q·partᵢ), turn(W_K·partⱼ)), the biases as parts of their own.

    `against`: another key, whose score is taken off, part by part.
    Raises `Error` for a cell that is no score, and for a score that is not linear in query and key.
    """
    asked = asked_score(trace, cell)
    with unseen(), torch.no_grad():
        score = _Score.of(asked.attention)
        _require_bilinear(score, asked)
        queries, keys, value, other = query_sum(trace, asked), key_sum(trace, asked), asked.value, None
        if against is not None:
            compared = asked_score(trace, replace(cell, index=(*cell.index[:-1], against)))
            keys = keys + key_sum(trace, compared).mapped(torch.neg)
            value, other = value - compared.value, compared.words[1]
        terms = _pairs(score, asked, queries.vectors, keys.vectors)
        require_sum(asked.cell, float(terms.sum()), float(terms.abs().sum()), value)
    return ScoreSplit(
        asked.cell, asked.module, asked.head, asked.query, asked.key, *asked.words, value, asked.weight, queries.parts,
        keys.parts, terms, other,
    )  # fmt: skip


def query_sum(trace: Trace, asked: Asked) -> Sum:
    """The query as it meets the keys, as a sum."""
    attention, heads = asked.attention, asked.attention.heads
    linear, name = attention.query_key_value or attention.query, "query_key_value"
    name = name if attention.query_key_value is not None else "query"
    assert linear is not None
    rows = slice(asked.head * heads.channels, (asked.head + 1) * heads.channels)
    found = _projected(trace, asked, linear, name, rows, asked.query, "query")
    return _turned(_normed(found, attention.query_norm), attention, asked.query)


def key_sum(trace: Trace, asked: Asked) -> Sum:
    """The key as it meets the queries, as a sum; of cross-attention its parts are the other text's."""
    attention, heads = asked.attention, asked.attention.heads
    own = attention.query_key_value is not None
    linear = attention.query_key_value if own else attention.key_value
    assert linear is not None
    start = (heads.widths[0] if own else 0) + asked.head // heads.group * heads.channels
    rows = slice(start, start + heads.channels)
    found = _projected(trace, asked, linear, "query_key_value" if own else "key_value", rows, asked.key, "key")
    return _turned(_normed(found, attention.key_norm), attention, asked.key)


def _projected(
    trace: Trace, asked: Asked, linear: Linear, name: str, rows: slice, position: int, what: str
) -> Sum:  # fmt: skip
    """The stream that the attention reads at a position, through some rows of one of its maps."""
    read = call_at(trace, f"{asked.module}.{name}", "linear").inputs[0]
    assert read is not None
    weight = exact(linear.weight[rows])
    bias = None if linear.bias is None else linear.bias[rows]
    return stream_at(trace, read, position).mapped(lambda vectors: vectors @ weight.T, bias, f"{asked.module}.{what}")


def _normed(found: Sum, norm: nn.Module | None) -> Sum:
    """Each part by the factor that the norm had for the whole."""
    if norm is None:
        return found
    assert isinstance(norm, RMSNorm)
    factor = exact(norm.weight) / (found.total.square().mean() + norm.epsilon).sqrt()
    return found.mapped(lambda vectors: vectors * factor)


def _turned(found: Sum, attention: Attention, position: int) -> Sum:
    """Each part turned by the angles of the position."""
    turn = attention.turn
    if turn is None:
        return found
    return found.mapped(lambda vectors: turn(vectors[:, None], torch.tensor([position]))[:, 0])


@dataclass(frozen=True, eq=False)
class _Score:
    """What makes scores of queries and keys: the attention's score and, where it has one apart, its scale, in float64.

    `by_head`: whether it has weights, which may differ by head.
    """

    steps: tuple[Any, ...]
    by_head: bool

    @classmethod
    def of(cls, attention: Attention) -> _Score:
        """An attention's."""
        found = [attention.score, getattr(attention, "scale", None)]
        by_head = any(isinstance(one, nn.Module) for one in found)
        exactly = [deepcopy(one).to("cpu", torch.float64) if isinstance(one, nn.Module) else one for one in found]
        return cls(tuple(one for one in exactly if one is not None), by_head)

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        score, *scales = self.steps
        found: Tensor = score(queries, keys)
        for scale in scales:
            found = scale(found)
        return found


def _pairs(score: _Score, asked: Asked, queries: Tensor, keys: Tensor) -> Tensor:
    """The score of each `queries[i, channel]` with each `keys[j, channel]`, for the head that was asked for."""
    heads = asked.attention.heads
    lead = [1, heads.count] if heads.group == 1 else [1, heads.key_heads, heads.group]
    if not score.by_head:  # it treats all heads alike: one stands for all
        lead = [1] * len(lead)
    once = lead if heads.group == 1 else [*lead[:2], 1]  # shared keys stand once for their group
    found = score(queries.expand(*lead, -1, -1), keys.expand(*once, -1, -1))
    found = found.reshape(-1, len(queries), len(keys))
    return found[asked.head if len(found) > 1 else 0].contiguous()


def _require_bilinear(score: _Score, asked: Asked) -> None:
    """Raise `Error` unless score(a + b, k) = score(a, k) + score(b, k) for any numbers, and the same of keys."""
    chance = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 3, asked.attention.heads.channels, generator=chance, dtype=torch.float64)
    parts = _pairs(score, asked, a, b)
    summed = _pairs(score, asked, a.sum(0, keepdim=True), b.sum(0, keepdim=True))
    if torch.allclose(parts.sum(), summed[0, 0], rtol=1e-8, atol=1e-8):
        return
    kinds: dict[Any, str] = {made: name for name, made in SCORES.items()}
    name = kinds.get(type(asked.attention.score), "of its own")
    raise Error(
        f"the score {name!r} of {asked.module} is not linear in query and key: what it gives to a sum is not the sum "
        "of what it gives to the parts, so it has no split into part × part; what it depends on can be measured: "
        "--without PART"
    )
