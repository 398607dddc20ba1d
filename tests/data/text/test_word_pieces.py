"""WordPiece: what each token stands for in its text, pairs, several texts at once, and files that do not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from small_encoders import WORDS, word_pieces

from kqv.data.text.word_pieces import WordPieces
from kqv.errors import DataError


@pytest.fixture
def tokenizer() -> WordPieces:
    return WordPieces(word_pieces())


def test_each_token_knows_its_letters_in_the_text(tokenizer: WordPieces) -> None:
    found = tokenizer.encode("The  Ovens, Café\n!")
    assert [tokenizer.token_text(token) for token in found.ids] == [
        "[CLS]", "the", "oven", "##s", ",", "cafe", "!", "[SEP]"
    ]  # fmt: skip
    assert found.words == ("[CLS]", "The", " Oven", "s", ",", " Café", " !", "[SEP]")
    assert found.types.tolist() == [0] * 8


def test_of_a_pair_the_second_text_has_another_type(tokenizer: WordPieces) -> None:
    found = tokenizer.encode("the oven", "it")
    assert found.words == ("[CLS]", "the", " oven", "[SEP]", "it", "[SEP]")
    assert found.types.tolist() == [0, 0, 0, 0, 1, 1]


def test_what_the_file_says_of_cutting_and_padding_is_left_out(tokenizer: WordPieces) -> None:
    assert json.loads(word_pieces())["truncation"]["max_length"] < 300
    assert len(tokenizer.encode("the " * 300).ids) == 302
    assert len(tokenizer.encode("").ids) == 2


def test_several_texts_are_filled_up_to_the_longest(tokenizer: WordPieces) -> None:
    found = tokenizer.encode_together(["the oven", "it", "the pizza tasted good"])
    assert found.ids.shape == found.types.shape == (3, 6)
    assert found.present.sum(1).tolist() == [4, 3, 6]
    assert found.ids[0, :4].tolist() == tokenizer.encode("the oven").ids.tolist()
    with pytest.raises(DataError, match="got none"):
        tokenizer.encode_together([])


def test_unknown_letters_and_special_tokens_in_a_text(tokenizer: WordPieces) -> None:
    found = tokenizer.encode("the 🦊 [MASK] oven")
    assert [tokenizer.token_text(token) for token in found.ids][1:-1] == ["the", "[UNK]", "[MASK]", "oven"]
    assert found.words[1:-1] == ("the", " 🦊", " [MASK]", " oven")


def test_pieces_are_put_together_again(tokenizer: WordPieces) -> None:
    assert tokenizer.decode(tokenizer.encode("The ovens tasted good!").ids) == "the ovens tasted good!"
    assert tokenizer.describe() == f"{len(WORDS)} word pieces"
    assert tokenizer.size == len(WORDS)
    with pytest.raises(DataError, match=f"no token {len(WORDS)}"):
        tokenizer.token_text(len(WORDS))


def test_half_a_character_is_refused(tokenizer: WordPieces) -> None:
    with pytest.raises(DataError, match="U\\+D800"):
        tokenizer.encode("the \ud800")


def changed(**model: Any) -> str:
    content = json.loads(word_pieces())
    content["model"] = {**content["model"], **model}
    return json.dumps(content)


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(DataError, match="not a tokenizer that `tokenizers` can read"):
        WordPieces("{}")
    words = json.loads(word_pieces())["model"]["vocab"]
    with pytest.raises(DataError, match="do not count them from 0"):
        WordPieces(changed(vocab={**words, "more": 99}))
    content = json.loads(word_pieces())
    content["model"] = {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"}
    with pytest.raises(DataError, match="is WordLevel, but an encoder of BERT's family has WordPiece"):
        WordPieces(json.dumps(content))
