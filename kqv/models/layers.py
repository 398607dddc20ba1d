"""The parts that models are built from; each reads top to bottom like its formula, with every shape noted."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kqv.operations import add, attention, embedding, gelu, layer_norm, linear, mask, matmul, scale, softmax
from kqv.trace.recorder import note, recording


class Linear(nn.Module):
    """z = x Wᵀ + b, for weight `[out, in]` and bias `[out]`."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        nn.init.normal_(self.weight, std=1 / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = note("weight", self.weight, "out in")
        bias = None if self.bias is None else note("bias", self.bias, "out")
        return linear(x, weight, bias)


class Embedding(nn.Module):
    """Row `id` of a table `[vocab, model]` for each id."""

    def __init__(self, rows: int, model: int, dimensions: str = "vocab model") -> None:
        super().__init__()
        self.dimensions = dimensions
        self.weight = nn.Parameter(torch.randn(rows, model) * 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        return embedding(note("weight", self.weight, self.dimensions), ids)


class LayerNorm(nn.Module):
    """γ·(x − μ)/√(σ² + ε) + β over the last axis."""

    def __init__(self, model: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(model))
        self.bias = nn.Parameter(torch.zeros(model)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        weight = note("weight", self.weight, "model")
        bias = None if self.bias is None else note("bias", self.bias, "model")
        return layer_norm(x, weight, bias)


class SelfAttention(nn.Module):
    """Every place asks all places up to its own: softmax(q kᵀ/√channels) v, for several heads side by side.

    Vaswani et al. 2017, section 3.2. `written_out=True` computes scores and weights as tensors of their own; else
    one fused operation does, except while a trace records.
    """

    def __init__(self, model: int, heads: int, bias: bool = True, written_out: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.written_out = written_out
        self.query_key_value = Linear(model, 3 * model, bias)
        self.projection = Linear(model, model, bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, position, model = x.shape
        joined = note("query_key_value", self.query_key_value(x), "batch position joined")
        # split before the heads are parted: the gradients of the three then join in one copy
        queries, keys, values = (
            part.view(batch, position, self.heads, model // self.heads).transpose(1, 2)
            for part in torch.split(joined, model, dim=-1)
        )
        queries = note("queries", queries, "batch head query channel")
        keys = note("keys", keys, "batch head key channel")
        values = note("values", values, "batch head key channel")
        mixed = self.mix(queries, keys, values)
        merged = note("merged", mixed.transpose(1, 2).reshape(batch, position, model), "batch position model")
        return note("output", self.projection(merged), "batch position model")

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What each query gets: the values, mixed by attention weights; `[batch, head, query, channel]`."""
        if not (self.written_out or recording()):
            return attention(queries, keys, values, causal=True)
        products = note("products", matmul(queries, keys.mT), "batch head query key")
        scores = note("scores", scale(products, factor=1 / math.sqrt(queries.shape[-1])), "batch head query key")
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        masked = note("masked_scores", mask(scores, note("allowed", allowed, "query key")), "batch head query key")
        weights = note("weights", softmax(masked), "batch head query key")
        return note("mixed", matmul(weights, values), "batch head query channel")


class FeedForward(nn.Module):
    """Each place for itself: widen, bend with GELU, narrow."""

    def __init__(self, model: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.widen = Linear(model, hidden, bias)
        self.narrow = Linear(hidden, model, bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = note("hidden", self.widen(x), "batch position hidden")
        active = note("active", gelu(hidden), "batch position hidden")
        return note("output", self.narrow(active), "batch position model")


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)) (pre-norm, as in GPT-2)."""

    def __init__(self, model: int, heads: int, bias: bool = True, written_out: bool = False) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(model, bias)
        self.attention = SelfAttention(model, heads, bias, written_out)
        self.feed_forward_norm = LayerNorm(model, bias)
        self.feed_forward = FeedForward(model, 4 * model, bias)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attention(note("attention_input", self.attention_norm(x), "batch position model"))
        x = note("after_attention", add(x, attended), "batch position model")
        fed = self.feed_forward(note("feed_forward_input", self.feed_forward_norm(x), "batch position model"))
        return note("output", add(x, fed), "batch position model")
