"""Small random models of each family, ours and those of `transformers`, and vocabularies for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.data.text.characters import Bytes, Characters
from kqv.data.text.codec import Tokenizer
from kqv.models.architecture import Architecture
from kqv.models.families import GPT2, LLAMA, QWEN3
from kqv.models.gpt import GPT

TEXT = "Der Übergang über den Fluß: 12 µm, 3 €, naïve Œuvre, 数学 und 🦊.\n  »Ja«, sagte sie.\r\n\tfertig"
CONTEXT = 32

SIZES = {"context": CONTEXT, "width": 24, "heads": 4, "blocks": 2}
OURS: dict[str, dict[str, Any]] = {
    "gpt2": {**GPT2.parts},
    "gpt2, exact gelu, no biases": {**GPT2.parts, "feed_forward": "gelu", "bias": False},
    "gpt2, own head": {**GPT2.parts, "tied": False, "hidden": 40},
    "gpt2, biases in attention alone": {**GPT2.parts, "bias": False, "attention_bias": True},
    "llama": {**LLAMA.parts},
    "llama, grouped and tied": {**LLAMA.parts, "key_heads": 2, "tied": True, "hidden": 40},
    "llama, biases": {**LLAMA.parts, "bias": True, "channels": 8},
    "qwen3": {**QWEN3.parts},
    "qwen3, grouped, own head": {**QWEN3.parts, "key_heads": 1, "tied": False, "channels": 10},
    "qwen3, biases in attention": {**QWEN3.parts, "attention_bias": True, "key_heads": 2},
}
"""Parts of our models."""


def stirred(model: nn.Module) -> Any:
    """The model with weights that are no special case: biases and norms are random too; in evaluation mode."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def ours(vocab: int, name: str) -> GPT:
    """One of our models."""
    return stirred(GPT(vocab, Architecture(**{**SIZES, **OURS[name]})))  # type: ignore[no-any-return]


def tokenizers() -> dict[str, Tokenizer]:
    """A vocabulary of each kind that can be made here."""
    ending = train_byte_pairs([TEXT * 3], 300)
    ending._library.add_special_tokens(["<|endoftext|>"])
    return {
        "characters": Characters(sorted(set(TEXT))),
        "bytes": Bytes(),
        "byte pairs": train_byte_pairs([TEXT * 3], 300),
        "byte pairs with an end of text": BytePairs(ending._library.to_str()),
    }
