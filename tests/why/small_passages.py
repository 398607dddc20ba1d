"""Small random models of every architecture in float64, each with a text that it reads, to be asked why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from kqv.models.architecture import Architecture
from kqv.models.bert import BERT
from kqv.models.families import BERT as BERT_FAMILY
from kqv.models.families import GPT2, LLAMA, QWEN3
from kqv.models.gpt import GPT
from kqv.models.transformer import Transformer
from kqv.models.translator_architecture import TranslatorArchitecture
from kqv.why.passage import Passage

WORDS = ("the", "pizza", "came", "out", "and", "it", "tasted", "good")
SOURCE = ("die", "Pizza", "war", "heiß", "</s>")
VOCAB = len(WORDS)
SIZES: dict[str, Any] = {"context": 16, "width": 24, "heads": 4, "blocks": 3}
GPTS: dict[str, dict[str, Any]] = {
    "gpt2": {**GPT2.parts},
    "gpt2, own head": {**GPT2.parts, "tied": False},
    "llama, grouped": {**LLAMA.parts, "key_heads": 2},
    "llama, biases": {**LLAMA.parts, "bias": True, "channels": 8},
    "qwen3, grouped": {**QWEN3.parts, "key_heads": 2, "channels": 10, "attention_bias": True},
    "post-norm": {"block": "post-norm", "positions": "sinusoidal"},
    "no positions": {"positions": "none", "norm": "rms", "bias": False},
}
TRANSLATORS: dict[str, dict[str, Any]] = {
    "post-norm": {"block": "post-norm"},
    "pre-norm": {"block": "pre-norm"},
    "pre-norm, rms, rotary, two tables": {
        "block": "pre-norm", "norm": "rms", "positions": "rotary", "tables": "separate", "bias": False,
    },
}  # fmt: skip


class Spelled:
    """A vocabulary of words, each after a space."""

    size = VOCAB

    def token_text(self, token: int) -> str:
        return f" {WORDS[token]}"


SPELLED = Spelled()


def stirred(model: nn.Module) -> nn.Module:
    """With weights that are no special case, biases and norms too, in float64 and evaluation mode."""
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double().eval()


def passage(model: nn.Module, words: Sequence[str] = WORDS, vocabulary: Any = SPELLED) -> Passage:
    """Words as a model of one text reads them."""
    ids = torch.tensor([[WORDS.index(word) for word in words]])
    return Passage(model, (ids,), lambda path, dimension: words, vocabulary, lambda text: passage(model, text.split()))


def gpt(name: str, **parts: Any) -> Passage:
    """A GPT of an architecture, reading `WORDS`."""
    return passage(stirred(GPT(VOCAB, Architecture(**{**SIZES, **GPTS[name], **parts}))))


def bert() -> Passage:
    """An encoder, reading `WORDS`."""
    parts = {**BERT_FAMILY.parts, **SIZES}
    return passage(stirred(BERT(VOCAB, Architecture(**parts))), vocabulary=None)


def translator(name: str) -> Passage:
    """An encoder-decoder, reading `SOURCE` and `WORDS`."""
    chosen = TranslatorArchitecture(
        **{
            "context": 16, "width": 24, "heads": 4, "hidden": 20, "encoder_blocks": 2, "decoder_blocks": 2,
            "dropout": 0.0, **TRANSLATORS[name],
        }
    )  # fmt: skip
    model = stirred(Transformer(VOCAB, None, chosen))
    source, target = torch.arange(len(SOURCE))[None], torch.arange(VOCAB)[None]

    def words(path: str, dimension: str) -> Sequence[str]:
        crosses = dimension == "key" and path.endswith("cross_attention")
        return SOURCE if path.startswith(("encoder", "source")) or dimension == "source" or crosses else WORDS

    return Passage(model, (source, target), words, SPELLED, lambda text: translator(name))
