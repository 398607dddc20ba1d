"""GPT as one writes it with PyTorch's own layers: the yardstick for `kqv.models.gpt`, parameter for parameter.

Nothing of kqv is imported here, and the parameters have the names that kqv gives them, so that weights can be copied
with `load_state_dict` and gradients compared by name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainAttention(nn.Module):
    """Causal self-attention by `scaled_dot_product_attention`, queries, keys and values from one product."""

    def __init__(self, model: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(model, 3 * model, bias)
        self.projection = nn.Linear(model, model, bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, position, model = x.shape
        queries, keys, values = (
            part.view(batch, position, self.heads, model // self.heads).transpose(1, 2)
            for part in self.query_key_value(x).split(model, dim=2)
        )
        mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        merged: Tensor = self.projection(mixed.transpose(1, 2).reshape(batch, position, model))
        return merged


class PlainFeedForward(nn.Module):
    """Widen, bend with the exact GELU, narrow."""

    def __init__(self, model: int, bias: bool) -> None:
        super().__init__()
        self.widen = nn.Linear(model, 4 * model, bias)
        self.narrow = nn.Linear(4 * model, model, bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(F.gelu(self.widen(x)))
        return y


class PlainBlock(nn.Module):
    """Pre-norm block, as in GPT-2."""

    def __init__(self, model: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(model, bias=bias)
        self.attention = PlainAttention(model, heads, bias)
        self.feed_forward_norm = nn.LayerNorm(model, bias=bias)
        self.feed_forward = PlainFeedForward(model, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))  # type: ignore[no-any-return]


class PlainGPT(nn.Module):
    """`forward(ids[batch, position]) -> logits[batch, position, vocab]`, the head tied to the token table."""

    def __init__(self, vocab: int, context: int, model: int, heads: int, blocks: int, bias: bool = True) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab, model)
        self.positions = nn.Embedding(context, model)
        self.blocks = nn.ModuleList(PlainBlock(model, heads, bias) for _ in range(blocks))
        self.norm = nn.LayerNorm(model, bias=bias)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


def plain_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over all targets, in nats."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
