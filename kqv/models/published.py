"""Published models by their sizes: GPT-2, GPT-3, Llama, Qwen3 and the first Transformer, as their papers have them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kqv.models.architecture import Architecture
from kqv.models.families import BERT, GPT2, LLAMA, QWEN3, Family
from kqv.models.gpt import GPT2_SIZES
from kqv.models.translator_architecture import TRANSFORMER_SIZES, TranslatorArchitecture


@dataclass(frozen=True)
class Published:
    """A model's `title`, its vocabulary's size and what it is composed of; `source`: where that is written."""

    title: str
    vocab: int
    architecture: Architecture
    source: str


@dataclass(frozen=True)
class PublishedTranslator:
    """The same of an encoder-decoder."""

    title: str
    vocab: int
    architecture: TranslatorArchitecture
    source: str


def _of(family: Family, context: int, width: int, heads: int, blocks: int, **others: Any) -> Architecture:
    return replace(family.architecture, context=context, width=width, heads=heads, blocks=blocks, **others)


_GPT2 = "Radford et al. 2019, table 2"
_GPT3 = "Brown et al. 2020, table 2.1 (all layers dense here; GPT-3 has sparse ones in turn)"
_LLAMA = "Touvron et al. 2023, table 2"
_LLAMA3 = "Grattafiori et al. 2024, table 3"
_QWEN3 = "Yang et al. 2025, table 1"
_SMOL = "Allal et al. 2024, its published config.json"

PUBLISHED: dict[str, Published] = {
    "smollm2-135m": Published(
        "SmolLM2 135M",
        49_152,
        _of(LLAMA, 8192, 576, 9, 30, key_heads=3, hidden=1536, rotary_base=100_000.0, tied=True),
        _SMOL,
    ),
    **{
        f"gpt2-{name.lower()}": Published(
            f"GPT-2 {name}", 50_257, _of(GPT2, 1024, size.width, size.heads, size.blocks), _GPT2
        )
        for name, size in GPT2_SIZES.items()
    },
    "qwen3-0.6b": Published(
        "Qwen3 0.6B", 151_936, _of(QWEN3, 32_768, 1024, 16, 28, key_heads=8, channels=128, hidden=3072), _QWEN3
    ),
    "llama-7b": Published("Llama 7B", 32_000, _of(LLAMA, 2048, 4096, 32, 32, hidden=11_008), _LLAMA),
    "llama3-8b": Published(
        "Llama 3 8B",
        128_256,
        _of(LLAMA, 8192, 4096, 32, 32, key_heads=8, hidden=14_336, rotary_base=500_000.0),
        _LLAMA3,
    ),
    "gpt3-13b": Published("GPT-3 13B", 50_257, _of(GPT2, 2048, 5120, 40, 40), _GPT3),
    "gpt3-175b": Published("GPT-3 175B", 50_257, _of(GPT2, 2048, 12_288, 96, 96), _GPT3),
}
"""GPTs by name, from small to large."""

PUBLISHED_ENCODERS: dict[str, Published] = {
    "bert-base": Published("BERT base", 30_522, _of(BERT, 512, 768, 12, 12), "Devlin et al. 2019, section 3"),
    "bert-large": Published("BERT large", 30_522, _of(BERT, 512, 1024, 16, 24), "Devlin et al. 2019, section 3"),
}
"""Encoders by name."""

PUBLISHED_TRANSLATORS: dict[str, PublishedTranslator] = {
    f"transformer-{name}": PublishedTranslator(
        f"Transformer {name}", 37_000, architecture, "Vaswani et al. 2017, table 3"
    )
    for name, architecture in TRANSFORMER_SIZES.items()
}
"""Encoder-decoders by name."""
