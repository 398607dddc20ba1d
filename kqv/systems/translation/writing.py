"""A translator that writes: after each token of its search the likeliest translation so far."""

from __future__ import annotations

from collections.abc import Sequence

from kqv.systems.translation.trained import LoadedTranslator
from kqv.systems.translation.translating import translate_sentences
from kqv.systems.writing import Tell, Writing, Written


def write(loaded: LoadedTranslator, text: str, how: Writing, tell: Tell) -> str:
    """The translation of a sentence, searched for as the run's recipe says. Raises `Error` as `translate`."""
    target = loaded.vocabularies.target

    def watch(ids: Sequence[int]) -> None:
        tell(Written(text=target.decode(ids)))

    found = translate_sentences([loaded.model], loaded.vocabularies, [text], loaded.search(), watch=watch)[0][0]
    tell(Written(text=found.text, end="end of text" if found.complete else "length"))
    return found.text
