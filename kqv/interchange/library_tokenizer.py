"""A tokenizer of somebody else that is none of our kinds, used through the library `tokenizers`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kqv.data.text import tokenizers
from kqv.data.text.byte_pairs import UNANSWERED, first_of
from kqv.data.text.codec import Ids, Tokenizer
from kqv.data.text.library import answering, read_library
from kqv.errors import DataError
from kqv.files.reading import read_text

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>")
_SPACE = "▁"


class LibraryTokenizer(Tokenizer):
    """A tokenizer.json as the library reads it, such as SentencePiece's byte pairs with `▁` for a space.

    Special tokens are neither added nor read from a text: one that spells them stays text. Raises `DataError` if the
    library does not take it, or its ids have gaps.
    """

    kind = "hugging-face"  # type: ignore[assignment]  # not one that a run is trained with

    def __init__(self, content: str) -> None:
        self.library = read_library(content)
        self.library.encode_special_tokens = True
        vocabulary = self.library.get_vocab()
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise DataError(
                f"the vocabulary has {len(vocabulary):,} tokens, but their numbers do not count them from 0"
            )
        super().__init__([_bytes_of(token) for token in sorted(vocabulary, key=vocabulary.__getitem__)])

    @property
    def end_of_text(self) -> int | None:
        """The id of the token that ends a text, by its usual names; None if there is none."""
        return next((found for end in _ENDS if (found := self.library.token_to_id(end)) is not None), None)

    @property
    def begin_of_text(self) -> int | None:
        """The special token that the file puts before a text, such as Llama's `<s>`; None if it puts none."""
        return first_of(self.library)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The ids of the library's special tokens, by how they are written."""
        added = self.library.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    def encode(self, text: str) -> Ids:
        """The ids of `text`, [position]."""
        with answering(UNANSWERED):
            return np.array(self.library.encode(text, add_special_tokens=False).ids, dtype=self.dtype)

    def decode(self, ids: ArrayLike) -> str:
        """The text of `ids` [position], as the library puts it together."""
        with answering("the tokenizer does not take these ids"):
            return self.library.decode(self._checked(ids).tolist(), skip_special_tokens=False)

    def describe(self) -> str:
        """One line: what the tokens are and how many."""
        kind = json.loads(self.library.to_str())["model"]["type"]
        return f"{self.size:,} tokens of a {kind} vocabulary"

    def to_json(self) -> str:
        """The tokenizer as the library writes it."""
        return self.library.to_str(pretty=True)


def _bytes_of(token: str) -> bytes:
    """What a token stands for: `<0x0A>` is a byte, `▁` a space."""
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace(_SPACE, " ").encode("utf-8", "replace")


def load(folder: Path) -> Tokenizer | None:
    """The tokenizer of a folder: one of our kinds, else the library's; None where there is no tokenizer.json.

    Raises `DataError` where it is damaged.
    """
    file = folder / tokenizers.FILE
    if not file.is_file():
        return None
    try:
        return tokenizers.load(file)
    except DataError as failure:
        try:
            return LibraryTokenizer(read_text(file))
        except (DataError, OSError, ValueError, RecursionError):
            raise failure from None
