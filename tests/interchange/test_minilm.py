"""The real encoder, MiniLM, against `transformers` reading the same folder."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from kqv.data.sources import SOURCES, find
from kqv.data.text.word_pieces import WordPieces
from kqv.interchange.bert import read
from kqv.models.bert import BERT
from kqv.models.sentence_vectors import sentence_vectors, unit_vectors

TEXTS = [
    "The pizza came out of the oven and it tasted good.",
    "The pizza came out of the oven and it was hot to the touch.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 数学 🦊\n\n  »Ja«",
    "untokenizable hyperparameters [MASK] don't [SEP] 3.14159 CAFÉ",
]


class Both(NamedTuple):
    """The model and the tokenizer as they are read here and there."""

    model: BERT
    tokenizer: WordPieces
    other: Any
    words: Any


@pytest.fixture(scope="module")
def both() -> Both:
    found = {find(SOURCES["minilm"], file) for file in SOURCES["minilm"].files}
    folders = {None if path is None else path.parent for path in found}
    folder = folders.pop()
    if folders or folder is None:
        pytest.skip("MiniLM is not here: kqv data fetch minilm, or set KQV_DATA to a folder that has it")
    transformers = pytest.importorskip("transformers")
    model, tokenizer = read(folder)
    other = transformers.AutoModel.from_pretrained(folder).eval()
    return Both(model, tokenizer, other, _words(transformers, folder))


def _words(transformers: Any, folder: Path) -> Any:
    """Their tokenizer, which does not cut or pad here either."""
    words = transformers.AutoTokenizer.from_pretrained(folder)
    words.backend_tokenizer.no_truncation()
    words.backend_tokenizer.no_padding()
    return words


def test_it_is_what_was_published(both: Both) -> None:
    assert both.model.describe() == (
        "an encoder of BERT's architecture, 6 blocks, 12 heads, 384 wide, context 512, vocab 30522"
    )
    assert both.tokenizer.size == both.model.vocab
    assert 22e6 < sum(parameter.numel() for parameter in both.model.parameters()) < 23e6


def test_ids_are_those_of_transformers(both: Both) -> None:
    choose = random.Random(1)
    pools = [
        "abcdefgh XYZ'st re ve ll 'd\n\t\r", "0123456789 .,", "äöüßéñ 数学你好 かな", "🦊👩‍👧 \u3000\u00a0\u2028",
        "\u0301\u200b٣४Ⅷ½", "[]MASKsep",
    ]  # fmt: skip
    texts = ["".join(choose.choice(choose.choice(pools)) for _ in range(choose.randrange(60))) for _ in range(1500)]
    for first, second in zip(TEXTS + texts, reversed(TEXTS + texts), strict=True):
        expected = both.words(first)
        assert both.tokenizer.encode(first).ids.tolist() == expected["input_ids"]
        if not second:  # which they take for no second text
            continue
        expected, found = both.words(first, second), both.tokenizer.encode(first, second)
        assert found.ids.tolist() == expected["input_ids"]
        assert found.types.tolist() == expected["token_type_ids"]


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-4), (torch.float64, 1e-11)])
def test_hidden_states_are_those_of_transformers(both: Both, dtype: torch.dtype, most: float) -> None:
    both.model.to(dtype)
    both.other.to(dtype)
    padded = both.tokenizer.encode_together(TEXTS)
    ids, types, present = map(torch.from_numpy, (padded.ids, padded.types, padded.present))
    expected = both.other(ids, token_type_ids=types, attention_mask=present.long()).last_hidden_state
    assert float(expected.std()) > 0.3
    assert float((both.model(ids, types, present) - expected)[present].abs().max()) <= most
    pair = both.tokenizer.encode(TEXTS[0], TEXTS[1])
    ids, types = torch.from_numpy(pair.ids)[None], torch.from_numpy(pair.types)[None]
    expected = both.other(ids, token_type_ids=types).last_hidden_state
    assert float((both.model(ids, types) - expected).abs().max()) <= most
    both.model.float()
    both.other.float()


@torch.no_grad()
def test_sentences_of_like_meaning_are_alike(both: Both) -> None:
    """What the published model is for; the words of the first two differ more than those of the first and the third."""
    texts = ["A man is eating a meal.", "Someone has dinner.", "A man is eating the competition alive at chess."]
    padded = both.tokenizer.encode_together(texts)
    ids, types, present = map(torch.from_numpy, (padded.ids, padded.types, padded.present))
    vectors = unit_vectors(sentence_vectors(both.model(ids, types, present), present))
    alike = vectors @ vectors.T
    assert alike[0, 1] > alike[0, 2]
