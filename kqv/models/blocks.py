"""Blocks, by name: attention and a feed-forward part, each added to the stream, and where the norms stand."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from kqv.models.cache import BlockCache
from kqv.models.choices import Choices
from kqv.operations import add
from kqv.recording import note

STREAM = "batch position model"


class Block(nn.Module):
    """Two parts with a norm for each; `gives_normed`: whether what comes out went through a norm last."""

    gives_normed: ClassVar[bool]

    def __init__(
        self, attention_norm: nn.Module, attention: nn.Module, feed_forward_norm: nn.Module, feed_forward: nn.Module
    ) -> None:
        super().__init__()
        self.attention_norm = attention_norm
        self.attention = attention
        self.feed_forward_norm = feed_forward_norm
        self.feed_forward = feed_forward


BLOCKS: Choices[type[Block]] = Choices("block")
"""Blocks by name."""


@BLOCKS.add("pre-norm")
class PreNorm(Block):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): the stream itself is never normed.

    Radford et al. 2019, GPT-2, section 2.3; Xiong et al. 2020, On Layer Normalization in the Transformer, figure 1 (b).
    """

    gives_normed = False

    def forward(
        self, x: Tensor, positions: Tensor, cache: BlockCache | None = None, present: Tensor | None = None
    ) -> Tensor:
        """x is `[batch, position, model]`; `positions[position]` says where in the text each position stands, and
        `present[batch, key]` is false where a position is padding."""
        normed = note("attention_input", self.attention_norm(x), STREAM)
        x = note("after_attention", add(x, self.attention(normed, positions, cache=cache, present=present)), STREAM)
        fed = self.feed_forward(note("feed_forward_input", self.feed_forward_norm(x), STREAM))
        return note("output", add(x, fed), STREAM)


@BLOCKS.add("post-norm")
class PostNorm(Block):
    """norm(x + attention(x)), then norm(x + feed_forward(x)), as the first Transformer has it.

    Vaswani et al. 2017, section 3.1: LayerNorm(x + Sublayer(x)).
    """

    gives_normed = True

    def forward(
        self, x: Tensor, positions: Tensor, cache: BlockCache | None = None, present: Tensor | None = None
    ) -> Tensor:
        """x is `[batch, position, model]`; `positions[position]` says where in the text each position stands, and
        `present[batch, key]` is false where a position is padding."""
        attended = note("attention_sum", add(x, self.attention(x, positions, cache=cache, present=present)), STREAM)
        x = note("after_attention", self.attention_norm(attended), STREAM)
        fed = note("feed_forward_sum", add(x, self.feed_forward(x)), STREAM)
        return note("output", self.feed_forward_norm(fed), STREAM)
