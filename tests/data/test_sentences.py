"""Sentences as ids and back, whatever they contain."""

from __future__ import annotations

import pytest

from kqv.data.parallel.pairs import ParallelText
from kqv.data.parallel.sentences import BEGIN, END, Sentences, make_sentences
from kqv.data.text.characters import Characters
from kqv.errors import DataError

PAIRS = (("zwei junge Männer", "two young men"), ("ein Mann lacht", "a man laughs"), ("zwei Männer", "two men"))
TEXT = ParallelText("three", "de", "en", PAIRS, PAIRS[:1], PAIRS[:1])
ODD = ("", " ", "  two  spaces ", "Männer", "<s> </s>", "a\tb", "🙂")


@pytest.mark.parametrize("sentence", [*ODD, "zwei junge Männer"])
@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_a_sentence_comes_back_as_it_was(kind: str, sentence: str) -> None:
    sentences, _ = make_sentences(TEXT, kind, size=300)
    ids = sentences.encode(sentence)
    assert sentences.decode(ids) == sentence
    assert ids[-1] == END
    assert BEGIN not in ids
    assert END not in ids[:-1]
    assert ids.max() < sentences.size


def test_the_first_word_is_the_same_token_as_elsewhere() -> None:
    sentences, _ = make_sentences(TEXT, "bpe", size=400)
    assert list(sentences.encode("Männer")[:-1]) == list(
        sentences.encode("zwei Männer")[-len(sentences.encode("Männer")) : -1]
    )


def test_a_joint_vocabulary_is_one_and_separate_ones_know_their_own_side() -> None:
    joint = make_sentences(TEXT, "characters")
    assert joint[0] is joint[1]
    source, target = make_sentences(TEXT, "characters", joint=False)
    assert source.decode(source.encode("Männer")) == "Männer"
    with pytest.raises(DataError, match="ä"):
        target.encode("Männer")


def test_special_tokens_are_shown_by_name_and_left_out_of_the_text() -> None:
    sentences = Sentences(Characters("ab"))
    assert [sentences.token_text(token) for token in range(sentences.size)] == ["<s>", "</s>", "a", "b"]
    assert sentences.decode([BEGIN, 2, 3, END]) == "ab"


def test_a_kind_that_is_not_made_for_sentences_is_refused() -> None:
    with pytest.raises(DataError, match="gpt2"):
        make_sentences(TEXT, "gpt2")
