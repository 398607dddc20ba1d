"""Attention, written out as the article has it: queries, keys, values, scores, mask, softmax, mix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.cache import BlockCache, ContextCache
from kqv.models.heads import Heads
from kqv.models.layers import Dropout, Linear, RMSNorm
from kqv.models.masks import MASKS, past
from kqv.models.normalisers import NORMALISERS
from kqv.models.positions import ALiBi, Rotary
from kqv.models.scales import SCALES
from kqv.models.scores import SCORES, usual_scale
from kqv.models.side_by_side import SideBySideBlock
from kqv.operations import attention, mask, matmul
from kqv.recording import note, recording

FUSED = {("dot", "sqrt", "softmax")}
"""Scores, scales and normalisers that the operation `attention` computes together, with any mask."""


Kept = BlockCache | SideBySideBlock | ContextCache
"""What attention can find its earlier keys and values in."""


class Attention(nn.Module):
    """Each position asks others: softmax(mask(q·kᵀ/√channels))·v, for several heads side by side.

    Vaswani et al. 2017, section 3.2; `score`, `scale` (None: the score's usual one), `mask` and `normaliser` are
    exchangeable, by their names in `kqv.models.scores`, `scales`, `masks` and `normalisers`; `window`: how many
    positions the mask of that name lets a query see. Queries come from x `[batch, position, model]`, keys and values
    from x too, or with a `context_width` from a context `[batch, key, model]` of that width (cross-attention, 3.2.3).

    `turn`: what turns queries and keys by their positions; `lower`: what lowers scores by the distance of their
    positions. `query_key_norm`: before that, an RMS norm over the channels of each head (Henry et al. 2020, with a
    learned gain). `dropout` acts on the output, and on the weights unless `attention_dropout` differs.
    `written_out=True` computes scores and weights as tensors of their own; else one fused operation does where it can,
    except while a trace records and while weights are dropped.
    Raises `Error` for names that do not exist, and for what goes only without a context.
    """

    def __init__(
        self, width: int, heads: Heads, *, score: str = "dot", scale: str | None = None, mask: str = "past",
        window: int = 1, normaliser: str = "softmax", turn: Rotary | None = None, lower: ALiBi | None = None,
        query_key_norm: bool = False, epsilon: float = 1e-5, bias: bool = True, dropout: float = 0.0,
        attention_dropout: float | None = None, context_width: int | None = None, written_out: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if context_width is not None and (turn or lower) is not None:
            kind = "rotary" if lower is None else "ALiBi's"
            raise Error(f"{kind} positions compare positions of one text; cross-attention has two, so leave them out")
        self.heads, self.turn, self.lower, self.written_out = heads, turn, lower, written_out
        own, asked, given = heads.widths
        self.query_key_value = self.query = self.key_value = None
        if context_width is None:
            self.query_key_value = Linear(width, own + asked + given, bias, parts=heads.widths)
        else:
            self.query = Linear(width, own, bias)
            self.key_value = Linear(context_width, asked + given, bias, parts=(asked, given))
        self.projection = Linear(own, width, bias)
        self.query_norm = RMSNorm(heads.channels, epsilon, "channel") if query_key_norm else None
        self.key_norm = RMSNorm(heads.channels, epsilon, "channel") if query_key_norm else None
        scale = scale or usual_scale(score)
        self.score = SCORES.find(score)(heads)
        self.scale = SCALES.find(scale)(heads, usual_scale(score))
        self.mask = MASKS.find(mask)(window)
        self.normalise = NORMALISERS.find(normaliser)
        self.weights_dropout = Dropout(dropout if attention_dropout is None else attention_dropout, heads.pairs)
        self.dropout = Dropout(dropout)
        self.can_be_fused = (score, scale, normaliser) in FUSED and lower is None
        self._merged = "batch position model" if own == width else "batch position in"

    def forward(
        self, x: Tensor, positions: Tensor, context: Tensor | None = None,
        cache: Kept | None = None, present: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """What each position of x `[batch, position, model]`, which are `positions[position]`, gets from those it asks.

        With a `BlockCache` x are the next positions, and they see all that it holds; with a `SideBySideBlock` each is
        the next position of a text of its own. A `ContextCache` keeps the keys and values of a context, which then are
        computed once. `present[batch, key]`: false where a key is padding.
        Of a context with fewer rows each is asked by equally many rows of x in turn, as by so many more queries of it;
        that goes without a mask.
        """
        if context is not None and len(context) != len(x):
            more = x.reshape(len(context), -1, x.shape[-1])
            return self.forward(more, positions, context, cache, present).view(x.shape)
        queries, keys, values = self.ask(x, positions, cache) if context is None else self.ask_of(x, context, cache)
        queries = note("queries", queries, "batch head query channel")
        keys = note("keys", keys, f"batch {self.heads.key_head} key channel")
        values = note("values", values, f"batch {self.heads.key_head} key channel")
        if isinstance(cache, SideBySideBlock):
            return self.merge(cache.each(queries, keys, values, self.mix))
        return self.merge(self.mix(queries, keys, values, present))

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor, present: Tensor | None = None) -> Tensor:
        """What each query gets of the values, `[batch, head, query, channel]`, with shared keys `[batch, key_head,
        group, query, channel]`."""
        if self.can_be_fused and not (self.written_out or self.weights_dropout.is_active or recording()):
            return self.fused(queries, keys, values, present)
        queries, keys, values = self.grouped(queries, keys, values)
        scores = note("scores", self.scale(self.score(queries, keys)), self.heads.pairs)
        if self.lower is not None:
            scores = note("lowered_scores", self.lower(scores), self.heads.pairs)
        masked = self.masked(scores, present)
        weights = note("weights", self.normalise(masked), self.heads.pairs)
        return note("mixed", matmul(self.weights_dropout(weights), values), f"{self.heads.lead} query channel")

    def ask(self, x: Tensor, positions: Tensor, cache: Kept | None) -> tuple[Tensor, ...]:
        """Queries `[batch, head, query, channel]`, keys and values `[batch, key_head, key, channel]`, all of x."""
        if self.query_key_value is None:
            raise Error("this is cross-attention: give it a context, whose keys and values it asks for")
        joined = note("query_key_value", self.query_key_value(x), "batch position joined")
        # split before the heads are parted: the gradients of the three then join in one copy
        own, asked, given = torch.split(joined, list(self.heads.widths), dim=-1)
        queries, keys, values = self._queries(own), self._keys(asked, "position"), self._parted(given).transpose(1, 2)
        if self.turn is not None:
            queries, keys = self.turn(queries, positions), self.turn(keys, positions)
        if isinstance(cache, BlockCache):
            if self.turn is not None:
                keys = note("turned_keys", keys, f"batch {self.heads.key_head} position channel")
            keys, values = cache.extend(keys, values)
        return queries, keys, values

    def ask_of(self, x: Tensor, context: Tensor, cache: Kept | None) -> tuple[Tensor, ...]:
        """The same, but keys and values are a context's, or what the cache has kept of it."""
        if self.query is None or self.key_value is None:
            raise Error("this attention asks its own text; make it with a context_width to ask for another one")
        queries = self._queries(note("query", self.query(x), self._merged))
        if isinstance(cache, ContextCache) and cache.kept is not None:
            return queries, *cache.kept
        joined = note("key_value", self.key_value(context), "batch key joined")
        asked, given = torch.split(joined, list(self.heads.widths[1:]), dim=-1)
        keys, values = self._keys(asked, "key"), self._parted(given).transpose(1, 2)
        if isinstance(cache, ContextCache):
            cache.keep(keys, values)
        return queries, keys, values

    def _parted(self, x: Tensor) -> Tensor:
        """The numbers of all heads, `[batch, position, head, channel]`."""
        return x.view(*x.shape[:2], -1, self.heads.channels)

    def _queries(self, x: Tensor) -> Tensor:
        """Queries by head, normed where there is a norm."""
        x = self._parted(x)
        if self.query_norm is not None:
            x = note("normed_queries", self.query_norm(x), "batch position head channel")
        return x.transpose(1, 2)

    def _keys(self, x: Tensor, position: str) -> Tensor:
        """Keys by head, normed where there is a norm; `position`: the dimension of where they stand."""
        x = self._parted(x)
        if self.key_norm is not None:
            x = note("normed_keys", self.key_norm(x), f"batch {position} {self.heads.key_head} channel")
        return x.transpose(1, 2)

    def fused(self, queries: Tensor, keys: Tensor, values: Tensor, present: Tensor | None) -> Tensor:
        """Scores, mask, softmax and mix in one operation; `[batch, head, query, channel]`.

        Heads that share keys ask one after the other, like so many more queries.
        """
        asking, group = queries.shape[-2], self.heads.group
        there = None if present is None else present[:, None, None]
        if self.mask is past and group == 1:  # the operation has this mask itself; a single query stands last, sees all
            return attention(queries, keys, values, there, causal=asking > 1)
        sees_all = self.mask is past and asking == 1
        allowed = None if sees_all else self.mask(asking, keys.shape[-2], queries.device)
        if group == 1:
            allowed = there if allowed is None else allowed if there is None else there & allowed
            return attention(queries, keys, values, allowed, causal=False)
        allowed = None if allowed is None else allowed.repeat(group, 1)
        if there is not None:
            allowed = there if allowed is None else there & allowed
        rows = queries.reshape(len(queries), self.heads.key_heads, group * asking, self.heads.channels)
        mixed = attention(rows, keys, values, allowed, causal=False)
        return mixed.view(len(rows), self.heads.key_heads, group, asking, self.heads.channels)

    def grouped(self, queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With shared keys `[batch, key_head, group, query, channel]`, and keys and values once for each group."""
        if self.heads.group == 1:
            return queries, keys, values
        queries = queries.view(len(queries), self.heads.key_heads, self.heads.group, *queries.shape[2:])
        keys, values = (part.view(len(part), self.heads.key_heads, 1, *part.shape[2:]) for part in (keys, values))
        return queries, keys, values

    def masked(self, scores: Tensor, present: Tensor | None) -> Tensor:
        """The scores, −∞ where a key is padding and where the mask lets the query not see it."""
        if present is not None:
            there = note("present", present, "batch key").view(len(present), *[1] * (scores.dim() - 2), -1)
            scores = note("present_scores", mask(scores, there), self.heads.pairs)
        allowed = self.mask(scores.shape[-2], scores.shape[-1], scores.device)
        if allowed is None:
            return scores
        return note("masked_scores", mask(scores, note("allowed", allowed, "query key")), self.heads.pairs)

    def merge(self, mixed: Tensor) -> Tensor:
        """What the heads found, side by side, `[batch, position, in]`, and projected to `[batch, position, model]`."""
        mixed = mixed.movedim(-2, 1)
        merged = note("merged", mixed.reshape(*mixed.shape[:2], self.heads.widths[0]), self._merged)
        output = note("output", self.projection(merged), "batch position model")
        return self.dropout(output)  # type: ignore[no-any-return]
