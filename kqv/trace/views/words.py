"""Words of a text that stands as tokens: finding one, and which tokens belong together."""

from __future__ import annotations

from collections.abc import Sequence

from kqv import visible as foreign
from kqv.errors import TraceError

SIGNS = {ord(" "): "␣", ord("\n"): "⏎", ord("\t"): "⇥", ord("\r"): "␍"}
"""How white space is shown within a token."""

_SPACE = {ord(sign): chr(space) for space, sign in SIGNS.items()}
_MOST_LISTED = 60


def visible(token: str) -> str:
    """A token with signs for the white space in it, and for what a terminal would obey."""
    return foreign.visible(token.translate(SIGNS))


def readable(token: str) -> str:
    """A token as one reads it in a sentence: without the space before it; white space alone keeps its sign."""
    return token.translate(_SPACE).strip() or visible(token)


def find_word(tokens: Sequence[str], word: str) -> range:
    """The positions of the tokens that a word is made of; signs for white space may stand in the tokens.

    The space before a word does not count. Of several occurrences the last, or the one that a number says: `it#1` is
    the first. A whole word is preferred to the same letters inside another one ("it" within "with" of single
    characters). Raises `TraceError` with the tokens where there is none.
    """
    found = _occurrences(tokens, word)
    if found:
        return found[-1]
    base, _, number = word.rpartition("#")
    numbered = _occurrences(tokens, base) if base and number.isdecimal() else []
    if 0 < int(number if numbered else 0) <= len(numbered):
        return numbered[int(number) - 1]
    if numbered:
        times = "once" if len(numbered) == 1 else f"{len(numbered)} times"
        raise TraceError(f"{word!r}: the text has {base!r} {times}; they count from #1 to #{len(numbered)}")
    shown = " ".join(map(visible, tokens[:_MOST_LISTED])) + (" …" if len(tokens) > _MOST_LISTED else "")
    raise TraceError(
        f"the text has no word {word!r} that begins and ends with a token; its tokens are: {shown}. "
        "Of a word that comes several times the last is taken; NAME#1 is the first"
    )


def _occurrences(tokens: Sequence[str], word: str) -> list[range]:
    """Where the word's letters begin and end with a token; whole words alone where there are any."""
    texts = [token.translate(_SPACE) for token in tokens]
    wanted = word.translate(_SPACE)
    wanted = wanted.strip() or wanted
    found = [span for start in range(len(texts)) if (span := _spelled(texts, start, wanted))]
    whole = [span for span in found if _is_whole(texts, span, wanted)]
    return whole or found


def _spelled(texts: Sequence[str], start: int, wanted: str) -> range | None:
    """The tokens from `start` that together are the wanted letters; the first may begin with white space."""
    first = texts[start] if texts[start] == wanted else texts[start].lstrip()
    text = ""
    for position in range(start, len(texts)):
        text += first if position == start else texts[position]
        if text == wanted and text:
            return range(start, position + 1)
        if not text or not wanted.startswith(text):
            return None
    return None


def _is_whole(texts: Sequence[str], span: range, wanted: str) -> bool:
    """Whether neither the character before nor the one after continues the word."""
    before = "".join(texts[: span.start])[-1:] if texts[span.start][:1] == wanted[0] else ""
    after = "".join(texts[span.stop :])[:1]
    return not (before.isalnum() and wanted[0].isalnum()) and not (after.isalnum() and wanted[-1].isalnum())


def words_of(tokens: Sequence[str]) -> list[range]:
    """The tokens by words: one that begins with a letter or digit continues the word that ends with one before it.

    Where no token has white space, each is a word: nothing says where words end.
    """
    texts = [token.translate(_SPACE) for token in tokens]
    if not any(letter.isspace() for text in texts for letter in text):
        return [range(position, position + 1) for position in range(len(texts))]
    found: list[range] = []
    for position, text in enumerate(texts):
        joins = position > 0 and text[:1].isalnum() and texts[position - 1][-1:].isalnum()
        if joins:
            found[-1] = range(found[-1].start, position + 1)
        else:
            found.append(range(position, position + 1))
    return found


def word_at(tokens: Sequence[str], span: range) -> str:
    """The word that some tokens make, as one reads it."""
    return readable("".join(tokens[position] for position in span))
