"""Blocks, by name: attention and a feed-forward part, each added to the stream, and where the norms stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from kqv.models.cache import BlockCache
from kqv.models.choices import Choices
from kqv.models.side_by_side import SideBySideBlock
from kqv.operations import add
from kqv.recording import note

STREAM = "batch position model"


def _alone(x: Tensor, part: Tensor) -> Tensor:
    return part


Join = Callable[[Tensor, Tensor], Tensor]

RESIDUALS: Choices[Join] = Choices("residual", {"add": add, "none": _alone})
"""Residual connections by name: a part's result is added to what went into it (He et al. 2015, Deep Residual Learning,
eq. (1)), or goes on alone."""


class Block(nn.Module):
    """Two parts with a norm for each; `gives_normed`: whether what comes out went through a norm last.

    `join`: what becomes of the stream and a part's result, one of `RESIDUALS`.
    """

    gives_normed: ClassVar[bool]

    def __init__(
        self, attention_norm: nn.Module, attention: nn.Module, feed_forward_norm: nn.Module, feed_forward: nn.Module,
        join: Join = add,
    ) -> None:  # fmt: skip
        super().__init__()
        self.attention_norm = attention_norm
        self.attention = attention
        self.feed_forward_norm = feed_forward_norm
        self.feed_forward = feed_forward
        self.join = join


BLOCKS: Choices[type[Block]] = Choices("block")
"""Blocks by name."""


@BLOCKS.add("pre-norm")
class PreNorm(Block):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): the stream itself is never normed.

    Radford et al. 2019, GPT-2, section 2.3; Xiong et al. 2020, On Layer Normalization in the Transformer, figure 1 (b).
    """

    gives_normed = False

    def forward(
        self, x: Tensor, positions: Tensor, cache: BlockCache | SideBySideBlock | None = None,
        present: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """x is `[batch, position, model]`; `positions[position]` says where in the text each position stands, and
        `present[batch, key]` is false where a position is padding."""
        normed = note("attention_input", self.attention_norm(x), STREAM)
        attended = self.attention(normed, positions, cache=cache, present=present)
        x = note("after_attention", self.join(x, attended), STREAM)
        fed = self.feed_forward(note("feed_forward_input", self.feed_forward_norm(x), STREAM))
        return note("output", self.join(x, fed), STREAM)


@BLOCKS.add("post-norm")
class PostNorm(Block):
    """norm(x + attention(x)), then norm(x + feed_forward(x)), as the first Transformer has it.

    Vaswani et al. 2017, section 3.1: LayerNorm(x + Sublayer(x)).
    """

    gives_normed = True

    def forward(
        self, x: Tensor, positions: Tensor, cache: BlockCache | SideBySideBlock | None = None,
        present: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """x is `[batch, position, model]`; `positions[position]` says where in the text each position stands, and
        `present[batch, key]` is false where a position is padding."""
        attended = self.join(x, self.attention(x, positions, cache=cache, present=present))
        x = note("after_attention", self.attention_norm(note("attention_sum", attended, STREAM)), STREAM)
        fed = note("feed_forward_sum", self.join(x, self.feed_forward(x)), STREAM)
        return note("output", self.feed_forward_norm(fed), STREAM)
