"""Generation with the vocabularies that texts are trained with: whole characters, whatever a token holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kqv.data.text.corpora import load_text
from kqv.data.text.tokenizers import Tokenizer, make_tokenizer
from kqv.generation.generate import generate
from kqv.generation.predictor import Cached
from kqv.generation.streaming import TextStream
from kqv.models.architecture import Architecture
from kqv.models.gpt import GPT

TEXT = "Grüße aus 東京, 👩‍🚀 und zurück: wie spät ist es? "


@pytest.fixture(params=["characters", "bytes", "bpe"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path) -> Tokenizer:
    """A vocabulary of each kind, made for a small text."""
    file = tmp_path / "text.txt"
    file.write_text(TEXT * 40, encoding="utf-8")
    return make_tokenizer(load_text(file), request.param, 280 if request.param == "bpe" else None)


def test_tokens_one_by_one_become_the_text(tokenizer: Tokenizer) -> None:
    stream = TextStream(tokenizer, ["ist es"])
    shown = "".join([stream.push(int(token)) for token in tokenizer.encode(TEXT)])
    assert shown == TEXT[: TEXT.index("ist es")]
    assert stream.stopped


def test_the_steps_text_is_the_decoded_tokens(tokenizer: Tokenizer) -> None:
    torch.manual_seed(2)
    model = GPT(tokenizer.size, Architecture(context=16, width=8, heads=2, blocks=1))
    steps = list(generate(Cached(model), tokenizer, tokenizer.encode("Grüße"), 40))
    written = tokenizer.decode_bytes([step.choice.token for step in steps])
    assert "".join(step.text for step in steps) == written.decode("utf-8", "replace")
