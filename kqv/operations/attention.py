"""Attention as one operation: softmax(q·kᵀ/√channels)·v without keeping the scores of all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from kqv.arithmetic import (
    Answer,
    Expression,
    Index,
    Max,
    Named,
    Position,
    Sum,
    below,
    both,
    each_of,
    exp,
    greatest,
    number_of,
    same,
    span,
    those,
    when,
)
from kqv.operations.broadcast import position_in
from kqv.operations.mask import last_seen, up_to_own
from kqv.operations.operation import Call, Operation, Pair, Saved
from kqv.operations.softmax import forward as softmax_forward


def forward(
    query: Float[Tensor, "*lead query channel"],
    key: Float[Tensor, "*lead key channel"],
    value: Float[Tensor, "*lead key out"],
    allowed: Bool[Tensor, "*seen"] | None = None,
    *,
    causal: bool = True,
) -> tuple[Float[Tensor, "*lead query out"], Saved]:
    """y[query] = Σ_key w[query,key]·v[key], w = softmax over the keys of q[query]·k[key]/√channels.

    A query sees the keys where `allowed` (`... query key`, repeated along axes that it lacks or has with size 1) is
    true; with `causal` those up to its own position, where the last query stands at the last key. One that sees no key
    gets zeros.
    """
    factor = 1 / math.sqrt(query.shape[-1])
    scores = query @ key.mT * factor
    seen = _seen_keys(query, key, allowed, causal)
    weights, _ = softmax_forward(scores if seen is None else scores.masked_fill(~seen, float("-inf")))
    return weights @ value, (query, key, value, weights, factor)


def backward(saved: Saved, gradient: Float[Tensor, "*lead query out"]) -> tuple[Tensor | None, ...]:
    """Back through y = w·v, through the softmax (∂C/∂s = w·(∂C/∂w − Σ_key w·∂C/∂w)), and through s = q·kᵀ/√channels."""
    query, key, value, weights, factor = saved
    gradient_weights = gradient @ value.mT
    gradient_scores = weights * (gradient_weights - (gradient_weights * weights).sum(-1, keepdim=True)) * factor
    return gradient_scores @ key, gradient_scores.mT @ query, weights.mT @ gradient, None


def _seen_keys(query: Tensor, key: Tensor, allowed: Tensor | None, causal: bool) -> Tensor | None:
    """Which keys a query sees, `... query key`; None when each sees all."""
    if not causal:
        return allowed
    earlier = up_to_own(query.shape[-2], key.shape[-2], query.device)
    return earlier if allowed is None else allowed & earlier


def kernel_forward(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None, *, causal: bool = True
) -> tuple[Tensor, Saved]:
    pair = _fastest(query, key, value, allowed, causal)
    output, saved = pair.forward(query, key, value, allowed, causal=causal)
    return output, (*saved, pair.backward)


def kernel_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    found: tuple[Tensor | None, ...] = saved[-1](saved[:-1], gradient)
    return found


def _fastest(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, causal: bool) -> Pair:
    """The kernel for this device where it takes these inputs, else the definition."""
    sizes_fit = query.dim() == 4 and query.shape[-1] == value.shape[-1] and query.numel() and key.numel()
    if sizes_fit and query.is_cpu and (allowed is None or allowed.dim() in (2, 4)):
        return Pair(cpu_forward, cpu_backward)
    no_empty_row = allowed is None and (not causal or query.shape[-2] <= key.shape[-2])
    if sizes_fit and query.is_cuda and no_empty_row and not torch.compiler.is_compiling():
        return Pair(cuda_forward, cuda_backward)
    return Pair(forward, backward)


def cpu_forward(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None, *, causal: bool = True
) -> tuple[Tensor, Saved]:
    given = query.dtype
    query, key, value = (_with_rows_together(_single(tensor)) for tensor in (query, key, value))
    # the kernel's own causal mask counts from the first key; ours ends at the last one, and that differs unless square
    square = causal and allowed is None and query.shape[-2] == key.shape[-2]
    seen = None if square else _seen_keys(query, key, allowed, causal)
    penalty = None
    if seen is not None:
        penalty = torch.zeros(seen.shape, dtype=query.dtype).masked_fill(~seen, float("-inf"))
    output, logsumexp = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, square, attn_mask=penalty
    )
    return output.to(given), (query, key, value, output, logsumexp, square, penalty)


def _single(x: Tensor) -> Tensor:
    """In half precision the kernel's backward pass takes five times as long, so it computes in single precision."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _with_rows_together(x: Tensor) -> Tensor:
    """The kernel reads the numbers of a row one after the other in memory, wherever they really are."""
    return x if x.stride(-1) == 1 else x.contiguous()


def cpu_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    query, key, value, output, logsumexp, square, penalty = saved
    found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        gradient.to(query.dtype), query, key, value, output, logsumexp, 0.0, square, attn_mask=penalty
    )
    return *(part.to(gradient.dtype) for part in found), None


def cuda_forward(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None, *, causal: bool = True
) -> tuple[Tensor, Saved]:
    """PyTorch chooses among its kernels by GPU, type and sizes, and each has its own backward: its graph is kept."""
    query, key, value = (tensor.detach().requires_grad_() for tensor in (query, key, value))
    square = causal and allowed is None and query.shape[-2] == key.shape[-2]
    seen = None if square else _seen_keys(query, key, allowed, causal)
    with torch.enable_grad():
        output = scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=square)
    return output.detach(), (query, key, value, output)


def cuda_backward(saved: Saved, gradient: Tensor) -> tuple[Tensor | None, ...]:
    *inputs, output = saved
    return *torch.autograd.grad(output, inputs, gradient, retain_graph=True), None


def _sees(call: Call, lead: list[Position], query: Position, key: Position) -> Answer:
    """Whether a query sees a key."""
    last = last_seen(query, call.query.shape[-2], call.key.shape[-2])
    earlier = below(key, last + 1) if call.options["causal"] else True
    if not call.given("allowed"):
        return earlier
    allowed = call.allowed
    return both(earlier, lambda: below(0, allowed.look(position_in(allowed.shape, (*lead, query, key)))))


def _seen(call: Call, lead: list[Position], query: Position) -> Any:
    """Positions of the keys that one query sees."""
    queries, keys = call.query.shape[-2], call.key.shape[-2]
    if call.given("allowed"):
        return those(keys, lambda key: _sees(call, lead, query, key))
    return span(0, greatest(0, last_seen(query, queries, keys) + 1) if call.options["causal"] else keys, keys)


@dataclass(frozen=True)
class _Row:
    """What one query makes of the keys that it sees."""

    call: Call
    lead: list[Position]
    query: Position

    @cached_property
    def seen(self) -> Any:
        """The keys that it sees."""
        return _seen(self.call, self.lead, self.query)

    def _score(self, key: Any, axes: int) -> Expression:
        factor = 1 / math.sqrt(self.call.query.shape[-1])
        return Sum(self.call.query[*self.lead, self.query, :] * self.call.key[*self.lead, key, :], axes) * factor

    @cached_property
    def _over(self) -> tuple[Expression, Expression]:
        """The largest score, and Σexp of the scores above it."""
        scores = self._score(self.seen, 1)
        largest = Named("max", Max(scores))
        return largest, Named("Σexp", Sum(exp(scores - largest)))

    def weight(self, key: Any) -> Expression:
        """The weight of one key, or of several."""
        largest, total = self._over
        return exp(self._score(key, 1) - largest) / total

    def _through(self, key: Any) -> Expression:
        """∂C/∂weight of one key, or of several."""
        return Sum(self.call.gradient[*self.lead, self.query, :] * self.call.value[*self.lead, key, :], 1)

    @cached_property
    def _together(self) -> Expression:
        return Named("Σ w·∂C/∂w", Sum(self.weight(self.seen) * self._through(self.seen)))

    def score_gradient(self, key: Any) -> Expression:
        """∂C/∂score of one key, or of several."""
        return self.weight(key) * (self._through(key) - self._together)


def derive(call: Call, index: Index) -> Expression:
    *lead, query, out = index
    row = _Row(call, lead, query)
    values = call.value[*lead, row.seen, out]
    return when(same(number_of(row.seen), 0), Sum(values), lambda: Sum(row.weight(row.seen) * values))


def derive_query(call: Call, index: Index) -> Expression:
    *lead, query, channel = index
    row = _Row(call, lead, query)
    keys = call.key[*lead, row.seen, channel]
    factor = 1 / math.sqrt(call.query.shape[-1])
    none = same(number_of(row.seen), 0)
    return when(none, Sum(keys), lambda: Sum(row.score_gradient(row.seen) * keys) * factor)


def _over_queries(call: Call, index: Index, term: Callable[[_Row, Position], Expression]) -> Expression:
    """The sum over the queries that see a key."""
    *lead, key, _ = index
    queries = call.query.shape[-2]
    return each_of(
        queries, index, lambda query: _sees(call, lead, query, key), lambda query: term(_Row(call, lead, query), key)
    )


def derive_key(call: Call, index: Index) -> Expression:
    *lead, _, channel = index
    total = _over_queries(call, index, lambda row, key: row.score_gradient(key) * call.query[*lead, row.query, channel])
    return total * (1 / math.sqrt(call.query.shape[-1]))


def derive_value(call: Call, index: Index) -> Expression:
    *lead, _, out = index
    return _over_queries(call, index, lambda row, key: row.weight(key) * call.gradient[*lead, row.query, out])


attention = Operation(
    name="attention",
    formula="y[query] = Σ_key softmax_key(q[query]·k[key]/√channels)·v[key], over the keys that the query sees",
    gradients={
        "query": "∂C/∂q[query] = Σ_key ∂C/∂s[query,key]·k[key]/√channels, ∂C/∂s = w·(∂C/∂w − Σ_key w·∂C/∂w)",
        "key": "∂C/∂k[key] = Σ_query ∂C/∂s[query,key]·q[query]/√channels",
        "value": "∂C/∂v[key] = Σ_query w[query,key]·∂C/∂y[query]",
    },
    dimensions={
        "query": "... query channel",
        "key": "... key channel",
        "value": "... key out",
        "allowed": "...",
        "output": "... query out",
    },
    forward=forward,
    backward=backward,
    kernel=Pair(kernel_forward, kernel_backward),
    derive=derive,
    derivatives={"query": derive_query, "key": derive_key, "value": derive_value},
    source="Vaswani et al. 2017, Attention Is All You Need, eq. (1); Dao et al. 2022, FlashAttention",
    precision="lower",
    repeated=("allowed",),
)
