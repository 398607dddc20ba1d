"""Blocks of a decoder that also asks another text, by name: self-attention, cross-attention and a feed-forward part."""

from __future__ import annotations

from torch import Tensor, nn

from kqv.models.blocks import STREAM, Join
from kqv.models.cache import BlockCache, ContextCache
from kqv.models.choices import Choices
from kqv.operations import add
from kqv.recording import note

BlockCaches = tuple[BlockCache, ContextCache]
"""What one block keeps of its own text, and of the context."""


class DecoderBlock(nn.Module):
    """Three parts with a norm for each. `forward(x, positions, context, present, caches)`.

    x is `[batch, position, model]`, at `positions[position]`; context `[batch, key, model]` is what the encoder made of
    the source, and `present[batch, key]` is false where that is padding. `join`: one of `kqv.models.blocks.RESIDUALS`.
    """

    def __init__(
        self, norms: tuple[nn.Module, nn.Module, nn.Module], attention: nn.Module, cross_attention: nn.Module,
        feed_forward: nn.Module, join: Join = add,
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention_norm, self.cross_attention_norm, self.feed_forward_norm = norms
        self.attention = attention
        self.cross_attention = cross_attention
        self.feed_forward = feed_forward
        self.join = join


DECODER_BLOCKS: Choices[type[DecoderBlock]] = Choices("decoder block")
"""Decoder blocks by name, under the names of `kqv.models.blocks`."""


@DECODER_BLOCKS.add("pre-norm")
class PreNormDecoder(DecoderBlock):
    """x + part(norm(x)) for self-attention, cross-attention and feed-forward part in turn.

    Xiong et al. 2020, On Layer Normalization in the Transformer, figure 1 (b).
    """

    def forward(
        self, x: Tensor, positions: Tensor, context: Tensor, present: Tensor | None = None,
        caches: BlockCaches | tuple[None, None] = (None, None),
    ) -> Tensor:  # fmt: skip
        own, other = caches
        normed = note("attention_input", self.attention_norm(x), STREAM)
        x = note("after_attention", self.join(x, self.attention(normed, positions, cache=own)), STREAM)
        normed = note("cross_attention_input", self.cross_attention_norm(x), STREAM)
        found = self.cross_attention(normed, positions, context, other, present)
        x = note("after_cross_attention", self.join(x, found), STREAM)
        fed = self.feed_forward(note("feed_forward_input", self.feed_forward_norm(x), STREAM))
        return note("output", self.join(x, fed), STREAM)


@DECODER_BLOCKS.add("post-norm")
class PostNormDecoder(DecoderBlock):
    """norm(x + part(x)) for self-attention, cross-attention and feed-forward part in turn.

    Vaswani et al. 2017, section 3.1.
    """

    def forward(
        self, x: Tensor, positions: Tensor, context: Tensor, present: Tensor | None = None,
        caches: BlockCaches | tuple[None, None] = (None, None),
    ) -> Tensor:  # fmt: skip
        own, other = caches
        attended = note("attention_sum", self.join(x, self.attention(x, positions, cache=own)), STREAM)
        x = note("after_attention", self.attention_norm(attended), STREAM)
        found = self.join(x, self.cross_attention(x, positions, context, other, present))
        x = note("after_cross_attention", self.cross_attention_norm(note("cross_attention_sum", found, STREAM)), STREAM)
        fed = note("feed_forward_sum", self.join(x, self.feed_forward(x)), STREAM)
        return note("output", self.feed_forward_norm(fed), STREAM)
