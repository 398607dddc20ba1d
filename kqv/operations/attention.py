"""Attention as one operation: softmax(q·kᵀ/√channels)·v without keeping the scores of all pairs."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from kqv.arithmetic import Array, Expression, Index, Max, Named, Sum, Total, exp
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


def _seen(call: Call, lead: list[int], query: int) -> Array:
    """Positions of the keys that one query sees."""
    queries, keys = call.query.shape[-2], call.key.shape[-2]
    seen = np.arange(max(0, last_seen(query, queries, keys) + 1) if call.options["causal"] else keys)
    if not call.given("allowed"):
        return seen
    row = call.allowed[position_in(call.allowed.shape, (*lead, query, slice(None)))].values() > 0
    return seen[np.broadcast_to(row, (keys,))[seen]]


def _scores(call: Call, lead: list[int], query: int, seen: Array) -> Expression:
    factor = 1 / math.sqrt(call.query.shape[-1])
    return Sum(call.query[*lead, query, :] * call.key[*lead, seen, :], 1) * factor


def _weights(call: Call, lead: list[int], query: int, seen: Array) -> Expression:
    scores = _scores(call, lead, query, seen)
    largest = Named("max", Max(scores))
    return exp(scores - largest) / Named("Σexp", Sum(exp(scores - largest)))


def _score_gradient(call: Call, lead: list[int], query: int, seen: Array) -> Expression:
    """∂C/∂scores of one query, over the keys that it sees."""
    weights = _weights(call, lead, query, seen)
    through = Sum(call.gradient[*lead, query, :] * call.value[*lead, seen, :], 1)
    return weights * (through - Named("Σ w·∂C/∂w", Sum(weights * through)))


def derive(call: Call, index: Index) -> Expression:
    *lead, query, out = index
    seen = _seen(call, lead, query)
    values = call.value[*lead, seen, out]
    return Sum(_weights(call, lead, query, seen) * values) if len(seen) else Sum(values)


def derive_query(call: Call, index: Index) -> Expression:
    *lead, query, channel = index
    seen = _seen(call, lead, query)
    keys = call.key[*lead, seen, channel]
    if not len(seen):
        return Sum(keys)
    return Sum(_score_gradient(call, lead, query, seen) * keys) * (1 / math.sqrt(call.query.shape[-1]))


def _uses(call: Call, lead: list[int], key: int) -> list[tuple[int, Array, Index]]:
    """The queries that see a key; for each the keys that it sees, and where among them this one stands."""
    rows = [(query, _seen(call, lead, query)) for query in range(call.query.shape[-2])]
    return [(query, seen, (int(np.searchsorted(seen, key)),)) for query, seen in rows if key in seen]


def derive_key(call: Call, index: Index) -> Expression:
    *lead, key, channel = index
    total = Total(
        tuple(
            _score_gradient(call, lead, query, seen).at(at) * call.query[*lead, query, channel]
            for query, seen, at in _uses(call, lead, key)
        )
    )
    return total * (1 / math.sqrt(call.query.shape[-1]))


def derive_value(call: Call, index: Index) -> Expression:
    *lead, key, out = index
    return Total(
        tuple(
            _weights(call, lead, query, seen).at(at) * call.gradient[*lead, query, out]
            for query, seen, at in _uses(call, lead, key)
        )
    )


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
