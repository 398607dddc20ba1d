"""WordPiece: words of a vocabulary, and of the others the longest pieces that it has; BERT's tokenizer.

Devlin et al. 2019, section 3; Wu et al. 2016, Google's Neural Machine Translation System, section 4.1. The library
`tokenizers` cleans, parts and matches. A text cannot be put together again from its ids: most vocabularies are lower
case, and what they cannot spell is [UNK].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Encoding

from kqv.data.text.codec import encoded
from kqv.data.text.library import answering, read_library, require_known
from kqv.errors import DataError

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pieces:
    """A text, or a pair of them, as an encoder reads it: ids and types [position], and what each token stands for.

    `words`: the letters of the text itself, with a space before where the text has one; [CLS] and [SEP] are themselves.
    """

    ids: Numbers
    types: Numbers
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Padded:
    """Several texts at once, all [batch, position]: the shorter ones filled up, where `present` is false."""

    ids: Numbers
    types: Numbers
    present: NDArray[np.bool_]


class WordPieces:
    """A WordPiece tokenizer of the library `tokenizers`, as it stands in `content` (its JSON).

    Whatever the file says of cutting and padding texts is left out: no text is cut in silence.
    Raises `DataError` if the library does not take it, or it is of another kind.
    """

    def __init__(self, content: str) -> None:
        self._library = read_library(content)
        kind = json.loads(content)["model"].get("type", "WordPiece")
        if kind != "WordPiece":
            raise DataError(f"the tokenizer's model is {kind}, but an encoder of BERT's family has WordPiece")
        self._library.no_truncation()
        self._library.no_padding()
        vocabulary = self._library.get_vocab()
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise DataError(f"the vocabulary has {len(vocabulary):,} tokens, but their ids do not count them from 0")
        self.tokens = tuple(sorted(vocabulary, key=vocabulary.__getitem__))

    @property
    def size(self) -> int:
        """How many tokens the vocabulary has."""
        return len(self.tokens)

    def encode(self, text: str, second: str | None = None) -> Pieces:
        """[CLS] text [SEP], or for a pair [CLS] text [SEP] second [SEP]. Raises `DataError` for a lone surrogate."""
        texts = [text] if second is None else [text, second]
        for one in texts:
            encoded(one, "utf-8")
        with answering("the tokenizer does not take this text"):
            found = self._library.encode(text, second)
            require_known(found.ids, self.size)
        words = tuple(_word(found, position, texts) for position in range(len(found.ids)))
        return Pieces(np.array(found.ids, dtype=np.int64), np.array(found.type_ids, dtype=np.int64), words)

    def encode_together(self, texts: Sequence[str]) -> Padded:
        """Several texts at once, filled up to the longest. Raises `DataError` as `encode`, and for no texts."""
        if not texts:
            raise DataError("expected texts to encode; got none")
        pieces = [self.encode(text) for text in texts]
        longest = max(len(one.ids) for one in pieces)
        ids, types = (np.zeros((len(pieces), longest), dtype=np.int64) for _ in range(2))
        present = np.zeros((len(pieces), longest), dtype=np.bool_)
        for row, one in enumerate(pieces):
            length = len(one.ids)
            ids[row, :length], types[row, :length], present[row, :length] = one.ids, one.types, True
        return Padded(ids, types, present)

    def decode(self, ids: ArrayLike) -> str:
        """The pieces of `ids` [position] put together, without [CLS] and [SEP]: about the text that they came from."""
        with answering("the tokenizer does not take these ids"):
            return self._library.decode(np.asarray(ids, dtype=np.int64).reshape(-1).tolist())

    def token_text(self, token: int) -> str:
        """One token as the vocabulary has it: `pizza`, or `##izer` within a word.

        Raises `DataError` for an id that it does not have.
        """
        if not 0 <= token < self.size:
            raise DataError(f"the vocabulary has no token {token}: its {self.size:,} tokens are 0 to {self.size - 1:,}")
        return self.tokens[token]

    def describe(self) -> str:
        """One line: what the tokens are and how many."""
        return f"{self.size:,} word pieces"


def _word(found: Encoding, position: int, texts: Sequence[str]) -> str:
    """What a token stands for in its text; one that the tokenizer added is itself."""
    number = found.sequence_ids[position]
    if number is None:
        return str(found.tokens[position])
    start, stop = found.offsets[position]
    space = " " if texts[number][max(0, start - 1) : start].isspace() else ""
    return f"{space}{texts[number][start:stop]}"
