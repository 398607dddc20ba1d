"""Attention as one operation: softmax(q·kᵀ/√channels)·v without keeping the scores of all pairs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kqv.arithmetic import Expression, Index, Max, Named, Sum, Total, exp
from kqv.operations.operation import Call, Operation, Pair, Saved


def _allowed(queries: int, keys: int, device: torch.device) -> Tensor:
    """`[query, key]`: a query sees the keys up to its own place; the last query stands at the last key."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def forward(query: Tensor, key: Tensor, value: Tensor, *, causal: bool = True) -> tuple[Tensor, Saved]:
    factor = 1 / math.sqrt(query.shape[-1])
    scores = query @ key.mT * factor
    if causal:
        scores = scores.masked_fill(~_allowed(query.shape[-2], key.shape[-2], query.device), float("-inf"))
    weights = torch.softmax(scores, -1).nan_to_num(0.0)
    return weights @ value, (query, key, value, weights, factor)


def backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    query, key, value, weights, factor = saved
    gradient_weights = gradient @ value.mT
    gradient_scores = weights * (gradient_weights - (gradient_weights * weights).sum(-1, keepdim=True)) * factor
    return gradient_scores @ key, gradient_scores.mT @ query, weights.mT @ gradient


def kernel_forward(query: Tensor, key: Tensor, value: Tensor, *, causal: bool = True) -> tuple[Tensor, Saved]:
    if query.device.type != "cpu" or (causal and query.shape[-2] != key.shape[-2]) or query.numel() == 0:
        return forward(query, key, value, causal=causal)
    output, logsumexp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, causal)
    return output, (query, key, value, output, logsumexp, causal)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    if len(saved) == 5:
        return backward(saved, gradient)
    query, key, value, output, logsumexp, causal = saved
    found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        gradient, query, key, value, output, logsumexp, 0.0, causal
    )
    return tuple(found)


def derive(call: Call, index: Index) -> Expression:
    *lead, place, channel = index
    last = _last_key(call, place)
    if last < 0:
        return Sum(call.value[*lead, :0, channel])
    scores = _scores(call, lead, place, last)
    return Sum(_softmax(scores) * call.value[*lead, : last + 1, channel])


def _last_key(call: Call, place: int) -> int:
    queries, keys = call.query.shape[-2], call.key.shape[-2]
    return place + keys - queries if call.causal else keys - 1


def _scores(call: Call, lead: list[int], place: int, last: int) -> Expression:
    factor = 1 / math.sqrt(call.query.shape[-1])
    return Sum(call.query[*lead, place, :] * call.key[*lead, : last + 1, :], 1) * factor


def _softmax(scores: Expression) -> Expression:
    largest = Named("max", Max(scores))
    return exp(scores - largest) / Named("Σexp", Sum(exp(scores - largest)))


def _score_gradient(call: Call, lead: list[int], place: int) -> Expression:
    """∂C/∂scores of one query, over the keys that it sees."""
    last = _last_key(call, place)
    weights = _softmax(_scores(call, lead, place, last))
    through = Sum(call.gradient[*lead, place, :] * call.value[*lead, : last + 1, :], 1)
    return weights * (through - Named("Σ w·∂C/∂w", Sum(weights * through)))


def derive_query(call: Call, index: Index) -> Expression:
    *lead, place, channel = index
    last = _last_key(call, place)
    if last < 0:
        return Sum(call.key[*lead, :0, channel])
    keys = call.key[*lead, : last + 1, channel]
    return Sum(_score_gradient(call, lead, place) * keys) * (1 / math.sqrt(call.query.shape[-1]))


def _queries_that_see(call: Call, place: int) -> range:
    queries, keys = call.query.shape[-2], call.key.shape[-2]
    return range(max(0, place - keys + queries), queries) if call.causal else range(queries)


def derive_key(call: Call, index: Index) -> Expression:
    *lead, place, channel = index
    total = Total(
        tuple(
            _score_gradient(call, lead, query).at((place,)) * call.query[*lead, query, channel]
            for query in _queries_that_see(call, place)
        )
    )
    return total * (1 / math.sqrt(call.query.shape[-1]))


def derive_value(call: Call, index: Index) -> Expression:
    *lead, place, channel = index
    return Total(
        tuple(
            _softmax(_scores(call, lead, query, _last_key(call, query))).at((place,)) * call.gradient[*lead, query, channel]
            for query in _queries_that_see(call, place)
        )
    )


attention = Operation(
    name="attention",
    formula="y[query] = Σ_key softmax_key(q[query]·k[key]/√channels)·v[key]; causal: keys up to the query's place",
    gradients={
        "query": "∂C/∂q[query] = Σ_key ∂C/∂s[query,key]·k[key]/√channels, ∂C/∂s = w·(∂C/∂w − Σ_key w·∂C/∂w)",
        "key": "∂C/∂k[key] = Σ_query ∂C/∂s[query,key]·q[query]/√channels",
        "value": "∂C/∂v[key] = Σ_query w[query,key]·∂C/∂y[query]",
    },
    dimensions={"query": "... query channel", "key": "... key channel", "value": "... key channel", "output": "... query channel"},
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"query": derive_query, "key": derive_key, "value": derive_value},
    source="Vaswani et al. 2017, Attention Is All You Need, eq. (1); Dao et al. 2022, FlashAttention",
    precision="lower",
)
