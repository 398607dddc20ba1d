"""Text in pieces: whole characters alone, and stop strings wherever tokens begin and end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import Bytes, Words

from kqv.errors import Error
from kqv.generation.streaming import TextStream


def stream(text: bytes, stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    """The pieces that come of the bytes, one token each, and whether a stop string ended them."""
    streaming = TextStream(Bytes(), stop)
    pieces = [streaming.push(byte) for byte in text]
    return [*pieces, streaming.finish()], streaming.stopped


def until(text: str, stop: tuple[str, ...]) -> str:
    """The text before the stop string that is complete first, of those the longest; by trying every end."""
    for end in range(len(text) + 1):
        found = [one for one in stop if text[:end].endswith(one)]
        if found:
            return text[: end - max(len(one) for one in found)]
    return text


@given(st.text())
def test_every_piece_is_whole_characters_and_together_they_are_the_text(text: str) -> None:
    pieces, stopped = stream(text.encode("utf-8", "replace"))
    expected = text.encode("utf-8", "replace").decode("utf-8")
    assert "".join(pieces) == expected
    assert not stopped
    assert all(len(piece) <= 1 for piece in pieces), "no character waits longer than it must"


def test_a_character_waits_for_its_last_byte() -> None:
    assert stream("ä🙂".encode())[0] == ["", "ä", "", "", "", "🙂", ""]


def test_bytes_that_are_no_text_are_shown_as_such_and_stop_nothing() -> None:
    assert "".join(stream(b"a\xffb\xc3")[0]) == "a�b�"
    assert "".join(stream(b"\xf0\x9f\x99")[0]) == "�"


def test_the_beginning_of_a_stop_string_waits() -> None:
    assert stream(b"one\n\ntwo", ("\n\n",)) == (["o", "n", "e", "", "", "", "", "", ""], True)
    assert stream(b"one\ntwo", ("\n\n",)) == (["o", "n", "e", "", "\nt", "w", "o", ""], False)
    assert stream(b"one\n", ("\n\n",)) == (["o", "n", "e", "", "\n"], False)


@given(
    pieces=st.lists(st.text("abä", min_size=0, max_size=4), max_size=12),
    stop=st.lists(st.text("abä", min_size=1, max_size=4), max_size=3),
)
def test_where_tokens_begin_and_end_makes_no_difference(pieces: list[str], stop: list[str]) -> None:
    text = "".join(pieces)
    expected = until(text, tuple(stop))
    by_words = TextStream(Words(*(piece.encode() for piece in pieces)), stop)
    shown = ""
    for token in range(len(pieces)):
        shown += by_words.push(token)
        assert expected.startswith(shown), "what was shown is never taken back"
    assert shown + by_words.finish() == expected
    found, stopped = stream(text.encode(), tuple(stop))
    assert "".join(found) == expected
    assert stopped == by_words.stopped == (expected != text or "" in stop)


def test_a_stop_string_may_begin_and_end_inside_of_tokens() -> None:
    streaming = TextStream(Words(b"x<|e", b"nd|", b">y", b"z"), ["<|end|>"])
    assert [streaming.push(token) for token in range(4)] == ["x", "", "", ""]
    assert streaming.stopped
    assert streaming.finish() == ""


@pytest.mark.parametrize("stop", [[""], ["a", ""], "end"], ids=str)
def test_stop_strings_that_would_stop_at_once_are_refused(stop: list[str]) -> None:
    with pytest.raises(Error, match="list of texts of at least one character"):
        TextStream(Bytes(), stop)
