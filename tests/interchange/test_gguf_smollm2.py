"""The real model, SmolLM2-135M-Instruct as a quantised GGUF file, against `transformers` reading the same file."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers

from kqv.data.sources import SOURCES, find
from kqv.data.text.codec import Tokenizer
from kqv.evaluation.text import score_text
from kqv.generation.generate import complete
from kqv.generation.predictor import Cached
from kqv.generation.sampling import Sampling
from kqv.interchange.gguf import read
from kqv.interchange.hugging_face import write
from kqv.models.gpt import GPT

TEXTS = [
    "The pizza came out of the oven and it tasted good.",
    "def mean(values):\n    return sum(values) / len(values)  # 3.5, 12, 1984\n",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 数学 🦊\n\n  »Ja«",
]


@pytest.fixture(scope="module")
def path() -> Path:
    source = SOURCES["smollm2"]
    found = find(source, source.files[0])
    if found is None:
        pytest.skip("SmolLM2 is not here: kqv data fetch smollm2, or set KQV_DATA to a folder that has it")
    return found


@dataclass(frozen=True)
class Both:
    """The model and the vocabulary as they are read here and there."""

    model: GPT
    tokenizer: Tokenizer
    other: Any
    words: Any


@pytest.fixture(scope="module")
def both(path: Path) -> Both:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate", reason="transformers reads GGUF with accelerate")
    model, tokenizer = read(path)
    assert tokenizer is not None
    file = {"gguf_file": path.name}
    other = transformers.AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **file)
    words = transformers.AutoTokenizer.from_pretrained(path.parent, **file)
    # It takes "smollm" for GPT-2's pattern; SmolLM's tokenizer.json and llama.cpp set every digit apart before.
    backend = words.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
    )
    return Both(model, tokenizer, other.eval(), words)


def ids_of(both: Both, text: str) -> torch.Tensor:
    return torch.from_numpy(both.tokenizer.encode(text).astype(np.int64))[None]


def test_it_is_what_was_published(both: Both) -> None:
    architecture = both.model.architecture
    assert (architecture.blocks, architecture.heads, architecture.key_heads) == (30, 9, 3)
    assert (architecture.width, architecture.channels, architecture.context) == (576, 64, 8192)
    assert architecture.rotary_base == 100_000
    assert both.model.unembedding is None
    assert 134e6 < sum(parameter.numel() for parameter in both.model.parameters()) < 135e6
    assert both.tokenizer.size == both.model.vocab == 49_152
    assert {both.tokenizer.token_text(token) for token in both.tokenizer.endings} == {"<|endoftext|>", "<|im_end|>"}


def test_ids_are_those_of_transformers(both: Both) -> None:
    choose = random.Random(1)
    pools = [
        "abcdefgh XYZ'st re ve ll 'd\n\t\r",
        "0123456789 .,",
        "äöüßéñ 数学你好 かな",
        "🦊👩‍👧 \u3000\u00a0\u2028",
        "\u0301\u200b٣४Ⅷ½",
    ]
    texts = ["".join(choose.choice(choose.choice(pools)) for _ in range(choose.randrange(60))) for _ in range(1500)]
    for text in TEXTS + texts:
        ids = both.tokenizer.encode(text)
        assert ids.tolist() == both.words(text)["input_ids"]
        assert both.tokenizer.decode(ids) == text


@torch.no_grad()
def test_logits_are_those_of_transformers(both: Both) -> None:
    """In float64, where only their angles of positions are rounded to float32; in float32 each rounds for itself, and
    ends up to 1e-4 away from its own float64."""
    model, other = (copy.deepcopy(each).double() for each in (both.model, both.other))
    for text in TEXTS:
        ids = ids_of(both, text)
        found, expected = model(ids), other(ids).logits
        assert float(expected.std()) > 1
        assert float((found - expected).abs().max()) <= 1e-4
        for rounded in (both.model(ids), both.other(ids).logits):
            assert float((rounded - found).abs().max()) <= 2e-4


@torch.no_grad()
def test_the_loss_of_a_text_is_that_of_transformers(both: Both) -> None:
    text = " ".join(TEXTS)
    ids = both.tokenizer.encode(text)
    scores = score_text(both.model, ids, len(ids), len(text.encode()) / len(ids), torch.device("cpu"))
    batch = ids_of(both, text)
    assert scores.loss == pytest.approx(float(both.other(batch, labels=batch).loss), abs=1e-5)


@torch.no_grad()
def test_greedy_text_is_that_of_transformers(both: Both) -> None:
    prompt = "A neural network is"
    ids = both.tokenizer.encode(prompt)
    found = complete(Cached(both.model), both.tokenizer, ids, 50, Sampling(0.0))[0]
    given = ids_of(both, prompt)
    written = both.other.generate(given, attention_mask=torch.ones_like(given), max_new_tokens=50, do_sample=False)
    expected = written[0, given.shape[1] :]
    assert len(expected) == 50
    assert found == both.words.decode(expected)


@torch.no_grad()
def test_an_export_is_the_same_model_there(both: Both, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    write(both.model, both.tokenizer, tmp_path / "folder")
    other, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "folder", output_loading_info=True)
    assert not any(report[part] for part in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "folder")
    for text in TEXTS:
        assert words(text)["input_ids"] == both.tokenizer.encode(text).tolist()
        assert torch.equal(other(ids_of(both, text)).logits, both.other(ids_of(both, text)).logits)
