"""A Transformer of ours as CTranslate2 describes one: which of its parts are ours, and where each weight goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ctranslate2 import specs  # type: ignore[import-untyped]
from torch import Tensor, nn

from kqv.errors import Error
from kqv.models.attention import Attention
from kqv.models.blocks import Block
from kqv.models.choices import Choices
from kqv.models.decoder_blocks import DecoderBlock
from kqv.models.feed_forward import FeedForward, GatedFeedForward
from kqv.models.layers import LayerNorm, Linear, RMSNorm
from kqv.models.scores import usual_scale
from kqv.models.transformer import Decoder, Encoder, Transformer
from kqv.models.translator_architecture import PARTS, TranslatorArchitecture

Activation = specs.common_spec.Activation

KNOWN: Mapping[str, Mapping[str, Any]] = {
    "block": {"post-norm": False, "pre-norm": True},
    "norm": {"layer": False, "rms": True},
    "positions": {name: name for name in ("sinusoidal", "learned", "rotary", "none")},
    "feed_forward": {
        "relu": Activation.RELU, "gelu": Activation.GELU, "gelu-tanh": Activation.GELUTanh, "swiglu": Activation.SWISH,
    },
    "residual": {"add": True},
    "score": {"dot": True},
    "scale": {"sqrt": True},
    "mask": {"past": True},
    "normaliser": {"softmax": True},
    "tables": {name: name for name in ("shared", "tied", "separate")},
}  # fmt: skip
"""The parts that CTranslate2 has too, by our names, and what it calls them: whether norms come first, whether they are
RMS norms, the activation. Its `GELU` is the exact one, and what it puts on the gate of SwiGLU is SiLU, its `SWISH`."""


def spec_of(model: Transformer) -> Any:
    """The model as a `ctranslate2.specs.TransformerSpec`, with copies of its weights in float32.

    Raises `Error` that names a part which CTranslate2 does not have.
    """
    chosen = model.architecture
    _require_known(chosen)
    spec = specs.TransformerSpec(_encoder_spec(chosen), _decoder_spec(chosen))
    spec.config.layer_norm_epsilon = chosen.epsilon  # of RMS norms too
    source = model.tokens if model.source_tokens is None else model.source_tokens
    spec.encoder.embeddings[0].weight = _numbers(source.weight)
    spec.decoder.embeddings.weight = _numbers(model.tokens.weight)
    head = model.tokens if model.unembedding is None else model.unembedding
    spec.decoder.projection.weight = _numbers(head.weight)
    for part, ours in ((spec.encoder, model.encoder), (spec.decoder, model.decoder)):
        _set_inputs(part, ours, chosen)
        if ours.norm is not None:
            _set_norm(part.layer_norm, ours.norm)
    for layer, block in zip(spec.encoder.layer, model.encoder.blocks, strict=True):
        _set_block(layer, block)
    for layer, block in zip(spec.decoder.layer, model.decoder.blocks, strict=True):
        _set_block(layer, block)
        _set_cross_attention(layer.attention, block)
    return spec


def _require_known(chosen: TranslatorArchitecture) -> None:
    """Raise `Error` for the first part that CTranslate2 lacks."""
    for field, known in KNOWN.items():
        name, choices = getattr(chosen, field), PARTS[field]
        if field == "scale":
            name = name or usual_scale(chosen.score)
        if name not in known:
            kind = choices.kind if isinstance(choices, Choices) else field
            raise Error(f"CTranslate2 has no {kind} {name!r}; train the model with one that it has: {', '.join(known)}")


def _parts(chosen: TranslatorArchitecture) -> dict[str, Any]:
    """What encoder and decoder are said to be alike."""
    parts = {
        "num_heads": chosen.heads, "pre_norm": KNOWN["block"][chosen.block], "rms_norm": KNOWN["norm"][chosen.norm],
        "activation": KNOWN["feed_forward"][chosen.feed_forward], "ffn_glu": chosen.feed_forward == "swiglu",
    }  # fmt: skip
    if chosen.positions == "rotary":  # 0: all channels of a head, whose two halves are paired
        parts |= {"rotary_dim": 0, "rotary_interleave": False, "rotary_base": chosen.rotary_base}
    return parts


def _encoder_spec(chosen: TranslatorArchitecture) -> Any:
    return specs.transformer_spec.TransformerEncoderSpec(chosen.encoder_blocks, **_parts(chosen))


def _decoder_spec(chosen: TranslatorArchitecture) -> Any:
    return specs.transformer_spec.TransformerDecoderSpec(chosen.decoder_blocks, **_parts(chosen))


def _set_inputs(spec: Any, ours: Encoder | Decoder, chosen: TranslatorArchitecture) -> None:
    """The factor of the token vectors, and the table of positions: without one CTranslate2 would add its own waves."""
    spec.scale_embeddings = float(ours.inputs.factor)
    if chosen.positions == "rotary":
        return
    if ours.inputs.positions is None:
        table = torch.zeros(chosen.context, chosen.width)
    else:
        table = ours.inputs.positions(torch.arange(chosen.context, device=_device_of(ours)))
    spec.position_encodings.encodings = _numbers(table)


def _set_block(spec: Any, block: nn.Module) -> None:
    """Self-attention and feed-forward part, each with its norm."""
    assert isinstance(block, Block | DecoderBlock)
    _set_norm(spec.self_attention.layer_norm, block.attention_norm)
    attention = block.attention
    assert isinstance(attention, Attention)
    assert attention.query_key_value is not None
    _set_linear(spec.self_attention.linear[0], attention.query_key_value)  # queries, keys, values: the order is theirs
    _set_linear(spec.self_attention.linear[1], attention.projection)
    _set_norm(spec.ffn.layer_norm, block.feed_forward_norm)
    part = block.feed_forward
    if isinstance(part, GatedFeedForward):
        _set_linear(spec.ffn.linear_0, part.widen, slice(None, part.hidden))
        _set_linear(spec.ffn.linear_0_noact, part.widen, slice(part.hidden, None))
    else:
        assert isinstance(part, FeedForward)
        _set_linear(spec.ffn.linear_0, part.widen)
    _set_linear(spec.ffn.linear_1, part.narrow)


def _set_cross_attention(spec: Any, block: nn.Module) -> None:
    assert isinstance(block, DecoderBlock)
    _set_norm(spec.layer_norm, block.cross_attention_norm)
    attention = block.cross_attention
    assert isinstance(attention, Attention)
    assert attention.query is not None
    assert attention.key_value is not None
    for part, ours in zip(spec.linear, (attention.query, attention.key_value, attention.projection), strict=True):
        _set_linear(part, ours)


def _set_norm(spec: Any, norm: nn.Module) -> None:
    """Gain and, of a layer norm, bias, which is always there: zeros where ours has none."""
    assert isinstance(norm, LayerNorm | RMSNorm)
    spec.gamma = _numbers(norm.weight)
    if isinstance(norm, LayerNorm):
        spec.beta = _numbers(torch.zeros_like(norm.weight) if norm.bias is None else norm.bias)


def _set_linear(spec: Any, linear: Linear, rows: slice = slice(None)) -> None:
    """Weight `[out, in]` and, where there is one, bias `[out]`, of those rows."""
    spec.weight = _numbers(linear.weight[rows])
    if linear.bias is not None:
        spec.bias = _numbers(linear.bias[rows])


def _numbers(tensor: Tensor) -> npt.NDArray[np.float32]:
    """A copy in float32: what CTranslate2 quantises, it changes in the array that it is given."""
    return np.array(tensor.detach().to("cpu", torch.float32).numpy(), order="C")


def _device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
