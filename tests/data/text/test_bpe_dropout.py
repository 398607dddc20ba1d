"""BPE-dropout: each segmentation comes as often as the paper's algorithm gives it; the text stays; seeds repeat."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise, product
from math import prod, sqrt

import numpy as np
import pytest

from kqv.data.text.bpe_dropout import Segmentations
from kqv.data.text.byte_pairs import BytePairs, train_byte_pairs
from kqv.errors import DataError

TEXT = " the cat sat on the mat; that cat's hat.  Größe 12 μm – 😀 a banana, the bandana\n" * 20
TOKENIZER = train_byte_pairs([TEXT], 300)
SENTENCES = [" the cat sat on the mat", "", " Größe 漢字 😀", " a banana\n", " the the  the"] * 4

Segmentation = tuple[bytes, ...]


def probabilities(word: bytes, merges: list[tuple[bytes, bytes]], probability: float) -> Counter[Segmentation]:
    """Algorithm 1 of the paper, word by word: every pattern of merges that are removed is followed to its end."""
    found: Counter[Segmentation] = Counter()

    def follow(parts: Segmentation, weight: float) -> None:
        pairs = list(enumerate(pairwise(parts)))
        possible = [(merges.index(pair), position) for position, pair in pairs if pair in merges]
        for kept in product([True, False], repeat=len(possible)):
            chance = weight * prod(1 - probability if stays else probability for stays in kept)
            left = [merge for merge, stays in zip(possible, kept, strict=True) if stays]
            if not left:
                found[parts] += chance  # type: ignore[assignment]
                continue
            _, position = min(left)
            follow((*parts[:position], parts[position] + parts[position + 1], *parts[position + 2 :]), chance)

    follow(tuple(bytes([byte]) for byte in word), 1.0)
    return found


@pytest.mark.parametrize("probability", [0.1, 0.6])
@pytest.mark.parametrize("word", [" the", " ban", "nanan"])
def test_each_segmentation_comes_as_often_as_in_the_paper(word: str, probability: float) -> None:
    wanted = probabilities(word.encode(), TOKENIZER.byte_merges, probability)
    assert sum(wanted.values()) == pytest.approx(1)
    assert len(wanted) > 3
    draws = Segmentations(TOKENIZER, [word] * 20_000, probability).draw(3)
    came = Counter(tuple(TOKENIZER.tokens[token] for token in ids) for ids in draws)
    assert not came.keys() - wanted.keys()
    for segmentation, chance in wanted.items():  # within 4.5 standard deviations
        assert abs(came[segmentation] / len(draws) - chance) < 4.5 * sqrt(chance * (1 - chance) / len(draws)) + 1e-4


def test_words_that_come_again_are_drawn_apart() -> None:
    """Whether the first and the second word of a sentence are whole has nothing to do with each other."""
    whole = TOKENIZER.encode(" the")
    assert len(whole) == 1
    draws = Segmentations(TOKENIZER, [" the the"] * 20_000, 0.4).draw(1)
    first, last = (np.array([ids[at] == whole[0] for ids in draws]) for at in (0, -1))
    assert abs(np.corrcoef(first, last)[0, 1]) < 4.5 / sqrt(len(draws))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_text_stays(probability: float) -> None:
    segmentations = Segmentations(TOKENIZER, SENTENCES, probability)
    for seed in range(5):
        ids = segmentations.draw(seed)
        assert [TOKENIZER.decode(sentence) for sentence in ids] == SENTENCES
        assert all(sentence.dtype == TOKENIZER.dtype for sentence in ids)


def test_probability_0_is_the_tokenizer_and_1_its_bytes() -> None:
    for drawn, whole in zip(
        Segmentations(TOKENIZER, SENTENCES, 0).draw(5), TOKENIZER.encode_many(SENTENCES), strict=True
    ):
        np.testing.assert_array_equal(drawn, whole)
    for drawn, sentence in zip(Segmentations(TOKENIZER, SENTENCES, 1).draw(5), SENTENCES, strict=True):
        assert [TOKENIZER.tokens[token] for token in drawn] == [bytes([byte]) for byte in sentence.encode()]


def test_a_seed_draws_the_same_whatever_was_drawn_before() -> None:
    used, fresh = (Segmentations(TOKENIZER, SENTENCES, 0.3) for _ in range(2))
    others = [used.draw(seed) for seed in range(4)]
    for one, two in zip(used.draw(7), fresh.draw(7), strict=True):
        np.testing.assert_array_equal(one, two)
    assert len({json.dumps([ids.tolist() for ids in drawn]) for drawn in others}) == 4


def test_what_is_not_remembered_is_drawn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Segmentations(TOKENIZER, SENTENCES, 0.5).draw(2)
    monkeypatch.setattr("kqv.data.text.bpe_dropout.MOST_KEPT", 3)
    for one, two in zip(Segmentations(TOKENIZER, SENTENCES, 0.5).draw(2), wanted, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(DataError, match="from 0 to 1, not"):
        Segmentations(TOKENIZER, SENTENCES, probability)


def test_a_tokenizer_that_does_more_than_join_is_refused() -> None:
    """As Llama 3's does: a word that is in the vocabulary is taken as it is, although no merges lead to it."""
    content = json.loads(TOKENIZER.to_json())
    content["model"]["ignore_merges"] = True
    content["model"]["vocab"]["Ġbandit"] = TOKENIZER.size
    with pytest.raises(DataError, match="joins words by pairs alone, but this one reads ' a bandit'"):
        Segmentations(BytePairs(json.dumps(content)), [" a bandit"], 0.1)
