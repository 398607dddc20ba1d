"""What an architecture says of one block, made: its attention, its feed-forward part and its norms."""

from __future__ import annotations

from kqv.models.architecture import Architecture
from kqv.models.attention import Attention
from kqv.models.blocks import BLOCKS, RESIDUALS, Block
from kqv.models.feed_forward import FEED_FORWARD
from kqv.models.layers import NORMS, Norm
from kqv.models.masks import usual_window
from kqv.models.positions import POSITIONS
from kqv.models.scores import usual_scale
from kqv.models.translator_architecture import TranslatorArchitecture


def block_of(chosen: Architecture, written_out: bool = False) -> Block:
    """One block of a resolved architecture; `written_out`: attention computes scores and weights as tensors."""
    width, bias, dropout = chosen.width, chosen.bias, chosen.dropout or 0.0
    encoding, part, heads = POSITIONS[chosen.positions], FEED_FORWARD[chosen.feed_forward], chosen.shared()
    attention = Attention(
        width, heads, score=chosen.score, scale=chosen.scale, mask=chosen.mask,
        window=chosen.window or usual_window(chosen.context), normaliser=chosen.normaliser,
        turn=None if encoding.turn is None else encoding.turn(chosen.rotary_base),
        lower=None if encoding.lower is None else encoding.lower(heads), query_key_norm=chosen.query_key_norm,
        epsilon=chosen.epsilon, bias=bool(chosen.attention_bias), dropout=dropout,
        attention_dropout=chosen.attention_dropout, written_out=written_out,
    )  # fmt: skip
    fed = part.make(width, chosen.hidden or part.hidden(width), bias, dropout)
    return BLOCKS[chosen.block](norm_of(chosen), attention, norm_of(chosen), fed, RESIDUALS[chosen.residual])


def norm_of(chosen: Architecture) -> Norm:
    """A norm over the width, of the architecture's kind."""
    return NORMS[chosen.norm](chosen.width, chosen.bias, chosen.epsilon)


def last_norm_of(chosen: Architecture) -> Norm | None:
    """The norm after the last block; None where that gives what went through one, and where there are none."""
    return None if BLOCKS[chosen.block].gives_normed or chosen.norm == "none" else norm_of(chosen)


USUAL = {
    "residual": ("add", "{} residual"), "score": ("dot", "{} score"), "scale": (None, "{} scale"),
    "mask": ("past", "{} mask"), "normaliser": ("softmax", "{} normaliser"),
}  # fmt: skip
"""What is not said because it is usual (of a scale: its score's), and how the rest is spoken of."""


def unusual_parts(chosen: Architecture | TranslatorArchitecture) -> list[str]:
    """In words, what an architecture has in place of the usual score, scale, mask, normaliser or residual."""
    usual = {field: name or usual_scale(chosen.score) for field, (name, _) in USUAL.items()}
    found = {field: getattr(chosen, field) or usual[field] for field in USUAL}
    return [USUAL[field][1].format(name) for field, name in found.items() if name != usual[field]]
