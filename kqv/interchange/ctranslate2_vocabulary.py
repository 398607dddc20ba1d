"""The tokens of sentences as CTranslate2 lists them: the very strings that the library `tokenizers` makes of a text."""

from __future__ import annotations

from tokenizers import Tokenizer as LibraryTokenizer

from kqv.data.parallel.sentences import SPECIAL, Sentences
from kqv.errors import Error


def vocabulary_of(sentences: Sentences) -> list[str]:
    """Each token by its id, as the library shows it: in byte pairs `Ġdog` is a space and three letters.

    Raises `Error` where two would have one name.
    """
    ids = LibraryTokenizer.from_str(sentences.tokenizer.to_json()).get_vocab()
    taken = next((name for name in SPECIAL if name in ids), None)
    if taken is not None:
        raise Error(
            f"the tokenizer has a token {taken!r} of its own, which CTranslate2 could not tell from the one that begins"
            " or ends a sentence; train with another tokenizer"
        )
    return [*SPECIAL, *sorted(ids, key=ids.__getitem__)]
