"""What an architecture says of one block, made: its attention, its feed-forward part and its norms."""

from __future__ import annotations

from kqv.models.architecture import Architecture
from kqv.models.attention import Attention
from kqv.models.blocks import BLOCKS, Block
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.layers import NORMS, Norm
from kqv.models.positions import POSITIONS


def block_of(chosen: Architecture, written_out: bool = False) -> Block:
    """One block of a resolved architecture; `written_out`: attention computes scores and weights as tensors."""
    width, bias, dropout = chosen.width, chosen.bias, chosen.dropout or 0.0
    turn, part = POSITIONS[chosen.positions].turn, FEED_FORWARD[chosen.feed_forward]
    attention = Attention(
        width, chosen.shared(), score=chosen.score, mask=chosen.mask, normaliser=chosen.normaliser,
        turn=None if turn is None else turn(chosen.rotary_base), query_key_norm=chosen.query_key_norm,
        epsilon=chosen.epsilon, bias=bool(chosen.attention_bias), dropout=dropout,
        attention_dropout=chosen.attention_dropout, written_out=written_out,
    )  # fmt: skip
    fed = part.make(width, chosen.hidden or part.hidden(width), bias, dropout)
    return BLOCKS[chosen.block](norm_of(chosen), attention, norm_of(chosen), fed)


def norm_of(chosen: Architecture) -> Norm:
    """A norm over the width, of the architecture's kind."""
    return NORMS[chosen.norm](chosen.width, chosen.bias, chosen.epsilon)


def last_norm_of(chosen: Architecture) -> Norm | None:
    """The norm after the last block; None where that gives what went through one."""
    return None if BLOCKS[chosen.block].gives_normed else norm_of(chosen)
