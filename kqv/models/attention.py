"""Self-attention, written out as the article has it: queries, keys, values, scores, mask, softmax, mix."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.cache import BlockCache
from kqv.models.layers import Dropout, Linear, RMSNorm
from kqv.operations import attention, mask, matmul, rotary, scale, softmax
from kqv.trace.recorder import note, recording


class SelfAttention(nn.Module):
    """Every place asks all places up to its own: softmax(q kᵀ/√channels) v, for several heads side by side.

    Vaswani et al. 2017, section 3.2. `written_out=True` computes scores and weights as tensors of their own; else
    one fused operation does, except while a trace records and while weights are dropped. `dropout` acts on the output,
    and on the weights unless `attention_dropout` differs. With a cache, x are the next places, and they see all that
    the cache holds.

    `key_heads`: so many heads of keys and values, each shared by a group of query heads (Ainslie et al. 2023, GQA,
    section 2.2); as many as `heads` unless given. `channels`: numbers of a head, model/heads unless given.
    `rotary_base`: queries and keys are turned by angles that grow with their place (Su et al. 2021, eq. (34)).
    `query_key_norm`: before that, an RMS norm over the channels of each head (Henry et al. 2020, with a learned gain).
    Raises `Error` for heads that do not share evenly, and for an odd number of channels to turn.
    """

    def __init__(
        self, model: int, heads: int, bias: bool = True, written_out: bool = False, dropout: float = 0.0, *,
        key_heads: int | None = None, channels: int | None = None, rotary_base: float | None = None,
        query_key_norm: bool = False, epsilon: float = 1e-5, attention_dropout: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.heads = heads
        self.key_heads = heads if key_heads is None else key_heads
        self.channels = channels_of(model, heads, self.key_heads, channels, rotary_base is not None)
        self.group = heads // self.key_heads
        self.widths = [heads * self.channels, self.key_heads * self.channels, self.key_heads * self.channels]
        self.rotary_base = rotary_base
        self.written_out = written_out
        self.query_key_value = Linear(model, sum(self.widths), bias, parts=tuple(self.widths))
        self.projection = Linear(heads * self.channels, model, bias)
        self.query_norm = RMSNorm(self.channels, epsilon, "channel") if query_key_norm else None
        self.key_norm = RMSNorm(self.channels, epsilon, "channel") if query_key_norm else None
        self._key_head, lead = ("head", "batch head") if self.group == 1 else ("key_head", "batch key_head group")
        self._pairs, self._mixed = f"{lead} query key", f"{lead} query channel"
        self._merged = "batch position model" if self.widths[0] == model else "batch position in"
        self.weights_dropout = Dropout(dropout if attention_dropout is None else attention_dropout, self._pairs)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, places: Tensor, cache: BlockCache | None = None) -> Tensor:
        """What each place of x `[batch, position, model]` gets from the others; they stand at `places[position]`."""
        queries, keys, values = self.ask(x, places)
        if cache is not None:
            if self.rotary_base is not None:
                keys = note("turned_keys", keys, f"batch {self._key_head} position channel")
            keys, values = cache.extend(keys, values)
        queries = note("queries", queries, "batch head query channel")
        keys = note("keys", keys, f"batch {self._key_head} key channel")
        values = note("values", values, f"batch {self._key_head} key channel")
        mixed = self.mix(queries, keys, values).movedim(-2, 1)
        merged = note("merged", mixed.reshape(*x.shape[:2], self.widths[0]), self._merged)
        output = note("output", self.projection(merged), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]

    def ask(self, x: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries `[batch, head, position, channel]`, keys and values `[batch, key_head, position, channel]` of x."""
        joined = note("query_key_value", self.query_key_value(x), "batch position joined")
        # split before the heads are parted: the gradients of the three then join in one copy
        queries, keys, values = (
            part.view(*x.shape[:2], -1, self.channels) for part in torch.split(joined, self.widths, dim=-1)
        )
        if self.query_norm is not None and self.key_norm is not None:
            queries = note("normed_queries", self.query_norm(queries), "batch position head channel")
            keys = note("normed_keys", self.key_norm(keys), f"batch position {self._key_head} channel")
        queries, keys, values = (part.transpose(1, 2) for part in (queries, keys, values))
        if self.rotary_base is not None:
            queries = rotary(queries, places, base=self.rotary_base)
            keys = rotary(keys, places, base=self.rotary_base)
        return queries, keys, values

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What each query gets: the values, mixed by attention weights; `[batch, head, query, channel]`.

        With shared keys the heads stand in groups, `[batch, key_head, group, query, channel]`. The last query stands
        at the last key, and none sees a later one.
        """
        if not (self.written_out or self.weights_dropout.is_active or recording()):
            return self._fused(queries, keys, values)
        if self.group > 1:
            queries = queries.view(len(queries), self.key_heads, self.group, *queries.shape[2:])
            keys, values = (part.view(len(part), self.key_heads, 1, *part.shape[2:]) for part in (keys, values))
        products = note("products", matmul(queries, keys.mT), self._pairs)
        scores = note("scores", scale(products, factor=1 / math.sqrt(self.channels)), self._pairs)
        masked = note(
            "masked_scores", mask(scores, note("allowed", _up_to_own(queries, keys), "query key")), self._pairs
        )
        weights = note("weights", softmax(masked), self._pairs)
        return note("mixed", matmul(self.weights_dropout(weights), values), self._mixed)

    def _fused(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The same in one operation. Heads that share keys ask one after the other, like so many more queries."""
        asking = queries.shape[-2]
        if self.group == 1:
            return attention(queries, keys, values, causal=asking > 1)  # a single query stands last and sees all
        allowed = None if asking == 1 else _up_to_own(queries, keys).repeat(self.group, 1)
        rows = queries.reshape(len(queries), self.key_heads, self.group * asking, self.channels)
        mixed = attention(rows, keys, values, allowed, causal=False)
        return mixed.view(len(rows), self.key_heads, self.group, asking, self.channels)


def _up_to_own(queries: Tensor, keys: Tensor) -> Tensor:
    """Which keys each query sees, `[query, key]`: those up to its own place; the last query stands at the last key."""
    asking, asked = queries.shape[-2], keys.shape[-2]
    return torch.ones(asking, asked, dtype=torch.bool, device=queries.device).tril(asked - asking)


def channels_of(model: int, heads: int, key_heads: int, channels: int | None, is_turned: bool) -> int:
    """Numbers of a head, model/heads unless given. Raises `Error` for heads that do not share evenly."""
    if channels is None and model % heads:
        raise Error(f"{heads} heads cannot share {model} numbers evenly; choose a width that {heads} divides")
    if key_heads < 1 or heads % key_heads:
        raise Error(
            f"{heads} heads cannot share {key_heads} heads of keys evenly; choose a number that divides {heads}"
        )
    channels = model // heads if channels is None else channels
    if channels < 1:
        raise Error(f"a head has {channels} channels; choose at least 1")
    if is_turned and channels % 2:
        raise Error(f"rotary positions turn pairs of channels, and a head has {channels}; choose an even number")
    return channels
