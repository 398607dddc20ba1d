"""Finding a word among tokens of any kind."""

from __future__ import annotations

import pytest

from kqv.errors import TraceError
from kqv.trace.views.words import find_word, readable, visible, word_at, words_of

PIECES = ["The", " pizza", " came", " out", " of", " the", " oven", " and", " it", " tast", "ed", " good", ".", " it"]
CHARACTERS = list("with it, bit by bit\nit is")


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize(
    ("word", "want"),
    [
        ("pizza", range(1, 2)), (" pizza", range(1, 2)), ("The", range(1)), ("the", range(5, 6)),
        ("it", range(13, 14)), ("it#1", range(8, 9)), ("it#2", range(13, 14)), ("tasted", range(9, 11)),
        ("and it tasted", range(7, 11)), (".", range(12, 13)),
    ],
)  # fmt: skip
def test_pieces(word: str, want: range, signs: bool) -> None:
    tokens = [visible(token) for token in PIECES] if signs else PIECES
    assert find_word(tokens, word) == want


@pytest.mark.parametrize("word", ["it", "it#1", "it#2", "bit#1", "by", "with", "bit by bit", "t", " ", "\n"])
def test_characters_spell_the_word(word: str) -> None:
    span = find_word(CHARACTERS, word)
    letters = word.partition("#")[0]
    assert "".join(CHARACTERS[span.start : span.stop]) == letters


def test_a_whole_word_comes_before_a_part_of_another() -> None:
    text = "".join(CHARACTERS)
    assert find_word(CHARACTERS, "it").start == text.rindex("it is")
    assert find_word(CHARACTERS, "it#1").start == text.index("it,")
    assert find_word(list("with"), "it") == range(1, 3)  # there is no other


def test_a_sign_with_a_number_may_be_a_token() -> None:
    assert find_word(["C", "#1", "C#1"], "C#1") == range(2, 3)


@pytest.mark.parametrize("word", ["pizz", "taste", "oven and I", "", "xyz", "it#x"])
def test_the_error_lists_the_tokens(word: str) -> None:
    with pytest.raises(TraceError, match="its tokens are: The ␣pizza ␣came"):
        find_word(PIECES, word)


@pytest.mark.parametrize("word", ["it#0", "it#3"])
def test_the_error_counts_the_occurrences(word: str) -> None:
    with pytest.raises(TraceError, match="2 times; they count from #1 to #2"):
        find_word(PIECES, word)


def test_words_join_what_continues_a_word() -> None:
    assert [word_at(PIECES, span) for span in words_of(PIECES)][-5:] == ["it", "tasted", "good", ".", "it"]
    assert [word_at(CHARACTERS, span) for span in words_of(CHARACTERS)][:5] == ["with", "␣", "it", ",", "␣"]
    joined = [position for span in words_of(CHARACTERS) for position in span]
    assert joined == list(range(len(CHARACTERS)))


def test_readable_keeps_white_space_alone() -> None:
    assert [readable(token) for token in (" it", "␣it", " ", "\n\n", "a")] == ["it", "it", "␣", "⏎⏎", "a"]


def test_tokens_without_white_space_are_words() -> None:
    assert words_of(["ein", "Hund", "bellt"]) == [range(1), range(1, 2), range(2, 3)]
