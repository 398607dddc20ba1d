"""What every tokenizer can: text to ids and back, and one file on disk."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kqv.errors import DataError
from kqv.files import write_text

Kind = Literal["characters", "bytes", "bpe", "gpt2"]
Ids = NDArray[np.unsignedinteger[Any]]
FILE = "tokenizer.json"
MOST_IN_16_BITS = 65_536


class Tokenizer(ABC):
    """Turns text into ids, which count a vocabulary from 0, and back: `decode(encode(text)) == text`.

    `tokens` has the bytes of each token, by id. The ids are uint16 where the vocabulary has at most 65,536 tokens, else
    uint32.
    """

    kind: Kind

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self.tokens = tuple(tokens)

    @property
    def size(self) -> int:
        """How many tokens the vocabulary has."""
        return len(self.tokens)

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """The type of the ids."""
        return np.uint16 if self.size <= MOST_IN_16_BITS else np.uint32

    @property
    def end_of_text(self) -> int | None:
        """The id of the token that ends a text, which no text is encoded to; None if there is none."""
        return None

    @property
    def endings(self) -> frozenset[int]:
        """The ids that end what a model writes: `end_of_text`, and in a chat's vocabulary the end of a turn."""
        return frozenset() if self.end_of_text is None else frozenset({self.end_of_text})

    @property
    def special_tokens(self) -> dict[str, int]:
        """The ids of tokens that no text is encoded to, such as those that part a chat's turns, by how they are
        written."""
        return {}

    @property
    def begin_of_text(self) -> int | None:
        """The id that stands before every text that the model has learned from; None if there is none."""
        return None

    def encode_prompt(self, text: str) -> Ids:
        """The ids of a text that the model reads from its beginning: `encode`'s, after `begin_of_text` if there is one.

        Raises `DataError` as `encode`.
        """
        ids, first = self.encode(text), self.begin_of_text
        return ids if first is None else np.insert(ids, 0, first).astype(self.dtype)

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """The ids of `text`, [position]. Raises `DataError` for what the vocabulary cannot express."""

    def encode_many(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of several texts. Raises `DataError` as `encode`."""
        return [self.encode(text) for text in texts]

    def decode_bytes(self, ids: ArrayLike) -> bytes:
        """The bytes of `ids` [position]; any end is allowed, also inside a character.

        Raises `DataError` for an id that the vocabulary does not have.
        """
        return b"".join(map(self.tokens.__getitem__, self._checked(ids).tolist()))

    def decode(self, ids: ArrayLike) -> str:
        """The text of `ids` [position]; bytes that are no UTF-8 become U+FFFD. Raises `DataError` as `decode_bytes`."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def token_text(self, token: int) -> str:
        r"""One token for people to read; a part of a character is shown by its bytes, such as ``\xe2\x82``."""
        return self.decode_bytes([token]).decode("utf-8", "backslashreplace")

    def describe(self) -> str:
        """One line: what the tokens are and how many."""
        names = {"characters": "characters", "bytes": "bytes", "bpe": "byte pairs", "gpt2": "GPT-2's byte pairs"}
        return f"{names[self.kind]}, {self.size:,} tokens"

    @cached_property
    def sha256(self) -> str:
        """The checksum of the vocabulary: of all tokens by id, and of the rules that make them."""
        checksum = hashlib.sha256()
        for part in (*self.tokens, b"", *self._rules()):
            checksum.update(len(part).to_bytes(4, "little") + part)  # with its length, so that no two lists look alike
        return checksum.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the tokenizer to `path`, or as tokenizer.json into a folder, in the format of Hugging Face.

        Raises `Error` when the disk refuses.
        """
        write_text(file_of(path), self.to_json() + "\n")

    @abstractmethod
    def to_json(self) -> str:
        """The tokenizer in the format of the library `tokenizers`; its kind follows from what is in it."""

    def _rules(self) -> Sequence[bytes]:
        """What else than the tokens decides on the ids of a text."""
        return ()

    def _checked(self, ids: ArrayLike) -> NDArray[np.int64]:
        found = np.asarray(ids)
        if found.size and not np.issubdtype(found.dtype, np.integer):
            raise DataError(f"ids are whole numbers, but came as {found.dtype}; give what encode returned")
        numbers: NDArray[np.int64] = found.astype(np.int64).reshape(-1)
        wrong = numbers[(numbers < 0) | (numbers >= self.size)]
        if wrong.size:
            raise DataError(
                f"the vocabulary has no token {wrong[0]}: its {self.size:,} tokens are 0 to {self.size - 1:,};"
                " these ids belong to another one"
            )
        return numbers


def file_of(path: str | Path) -> Path:
    """`path` itself, or the tokenizer's file in the folder `path`."""
    path = Path(path)
    return path / FILE if os.path.isdir(path) else path  # noqa: PTH112 - Path.is_dir raises for a name that is too long


def encoded(text: str, encoding: Literal["utf-8", "utf-32-le"]) -> bytes:
    """`text` as bytes. Raises `DataError` for what is no text, and for a lone surrogate, half of a character that no
    encoding has."""
    if not isinstance(text, str):
        raise DataError(f"a text was expected, but a {type(text).__name__} came; give texts one at a time")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as failure:
        point = ord(text[failure.start])
        raise DataError(
            f"character {failure.start:,} of the text is U+{point:04X}, half of a character (a lone surrogate), which"
            " UTF-8 does not have; remove it, or read the text as UTF-8"
        ) from None
