"""The parts that models are built from; each reads top to bottom like its formula, with every shape noted."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.cache import BlockCache
from kqv.operations import (
    Operation,
    add,
    attention,
    draw_mask,
    dropout,
    embedding,
    gelu,
    gelu_tanh,
    layer_norm,
    linear,
    mask,
    matmul,
    scale,
    softmax,
)
from kqv.trace.recorder import note, recording

Gelu = Literal["exact", "tanh"]

GELUS: dict[Gelu, Operation] = {"exact": gelu, "tanh": gelu_tanh}
"""Both forms of GELU by name: by the normal distribution itself, and the one that GPT-2's own weights go with."""


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


class Dropout(nn.Module):
    """In training each number is switched off with this probability, by a mask that is a tensor of its own.

    Srivastava et al. 2014. In evaluation, and with probability 0, x itself comes out. `dimensions` are x's.
    """

    def __init__(self, probability: float, dimensions: str = "batch position model") -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise Error(f"dropout is a share of the numbers, from 0 to below 1; got {probability}")
        self.probability = probability
        self.dimensions = dimensions

    @property
    def is_active(self) -> bool:
        """Whether anything is switched off now."""
        return self.training and self.probability > 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_active:
            return x
        mask = note("mask", draw_mask(x, self.probability), self.dimensions)
        return note("dropped", dropout(x, mask, probability=self.probability), self.dimensions)


class SelfAttention(nn.Module):
    """Every place asks all places up to its own: softmax(q kᵀ/√channels) v, for several heads side by side.

    Vaswani et al. 2017, section 3.2. `written_out=True` computes scores and weights as tensors of their own; else
    one fused operation does, except while a trace records and while weights are dropped. `dropout` acts on the weights
    and on the output. With a cache, x are the next places, and they see all that the cache holds.
    Raises `Error` where the heads cannot share the model's numbers evenly.
    """

    def __init__(
        self, model: int, heads: int, bias: bool = True, written_out: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if model % heads:
            raise Error(f"{heads} heads cannot share {model} numbers evenly; choose a width that {heads} divides")
        self.heads = heads
        self.written_out = written_out
        self.query_key_value = Linear(model, 3 * model, bias)
        self.projection = Linear(model, model, bias)
        self.weights_dropout = Dropout(dropout, "batch head query key")
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, cache: BlockCache | None = None) -> Tensor:
        batch, position, model = x.shape
        joined = note("query_key_value", self.query_key_value(x), "batch position joined")
        # split before the heads are parted: the gradients of the three then join in one copy
        queries, keys, values = (
            part.view(batch, position, self.heads, model // self.heads).transpose(1, 2)
            for part in torch.split(joined, model, dim=-1)
        )
        if cache is not None:
            keys, values = cache.extend(keys, values)
        queries = note("queries", queries, "batch head query channel")
        keys = note("keys", keys, "batch head key channel")
        values = note("values", values, "batch head key channel")
        mixed = self.mix(queries, keys, values)
        merged = note("merged", mixed.transpose(1, 2).reshape(batch, position, model), "batch position model")
        output = note("output", self.projection(merged), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What each query gets: the values, mixed by attention weights; `[batch, head, query, channel]`.

        The last query stands at the last key, and none sees a later one.
        """
        asking, asked = queries.shape[-2], keys.shape[-2]
        if not (self.written_out or self.weights_dropout.is_active or recording()):
            return attention(queries, keys, values, causal=asking > 1)  # a single query stands last and sees all
        products = note("products", matmul(queries, keys.mT), "batch head query key")
        scores = note("scores", scale(products, factor=1 / math.sqrt(queries.shape[-1])), "batch head query key")
        allowed = torch.ones(asking, asked, dtype=torch.bool, device=scores.device).tril(asked - asking)
        masked = note("masked_scores", mask(scores, note("allowed", allowed, "query key")), "batch head query key")
        weights = note("weights", softmax(masked), "batch head query key")
        return note("mixed", matmul(self.weights_dropout(weights), values), "batch head query channel")


class FeedForward(nn.Module):
    """Each place for itself: widen, bend with GELU, narrow; `dropout` acts on the output.

    Vaswani et al. 2017, section 3.3, with GELU in place of ReLU. Raises `Error` for an unknown form of GELU.
    """

    def __init__(
        self, model: int, hidden: int, bias: bool = True, dropout: float = 0.0, gelu: Gelu = "exact"
    ) -> None:  # fmt: skip
        super().__init__()
        if gelu not in GELUS:
            raise Error(f"there is no form {gelu!r} of GELU; choose one of: {', '.join(GELUS)}")
        self.widen = Linear(model, hidden, bias)
        self.narrow = Linear(hidden, model, bias)
        self.gelu = GELUS[gelu]
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = note("hidden", self.widen(x), "batch position hidden")
        active = note("active", self.gelu(hidden), "batch position hidden")
        output = note("output", self.narrow(active), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)) (pre-norm, as in GPT-2)."""

    def __init__(
        self, model: int, heads: int, bias: bool = True, written_out: bool = False, dropout: float = 0.0,
        gelu: Gelu = "exact",
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention_norm = LayerNorm(model, bias)
        self.attention = SelfAttention(model, heads, bias, written_out, dropout)
        self.feed_forward_norm = LayerNorm(model, bias)
        self.feed_forward = FeedForward(model, 4 * model, bias, dropout, gelu)

    def forward(self, x: Tensor, cache: BlockCache | None = None) -> Tensor:
        attended = self.attention(note("attention_input", self.attention_norm(x), "batch position model"), cache)
        x = note("after_attention", add(x, attended), "batch position model")
        fed = self.feed_forward(note("feed_forward_input", self.feed_forward_norm(x), "batch position model"))
        return note("output", add(x, fed), "batch position model")
