"""Characters and bytes as tokens: a table look-up each way."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from tokenizers import Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as LibraryTokenizer

from kqv.data.text.codec import Ids, Tokenizer, encoded
from kqv.data.text.pieces import CODE_POINTS
from kqv.errors import DataError

SHOWN = 5  # unknown characters that an error names


class Characters(Tokenizer):
    """Each distinct character is a token; ids count them in the order given.

    Raises `DataError` for no characters, and for one that is given twice or is no character (a lone surrogate).
    """

    kind = "characters"

    def __init__(self, characters: Iterable[str]) -> None:
        alphabet = "".join(characters)
        self.characters = alphabet
        self._points = np.frombuffer(encoded(alphabet, "utf-32-le"), dtype="<u4")
        super().__init__([character.encode("utf-8") for character in alphabet])
        if not alphabet or len(set(alphabet)) < len(alphabet):
            raise DataError(
                f"a vocabulary of characters needs each one once, but has {len(alphabet):,} characters of"
                f" which {len(set(alphabet)):,} are distinct"
            )
        # the last position stands for all code points beyond the highest one known
        self._ids = np.full(min(int(self._points.max()) + 2, CODE_POINTS), -1, dtype=np.int32)
        self._ids[self._points] = np.arange(len(alphabet))

    def encode(self, text: str) -> Ids:
        """The ids of `text`, [position]. Raises `DataError` that names the characters the vocabulary does not have."""
        points = np.frombuffer(encoded(text, "utf-32-le"), dtype="<u4")
        ids = self._ids[np.minimum(points, len(self._ids) - 1)]
        if ids.size and ids.min() < 0:
            raise DataError(self._unknown(dict.fromkeys(map(chr, points[ids < 0].tolist()))))
        found: Ids = ids.astype(self.dtype)
        return found

    def decode(self, ids: ArrayLike) -> str:
        """The text of `ids` [position]. Raises `DataError` for an id that the vocabulary does not have."""
        return self._points[self._checked(ids)].tobytes().decode("utf-32-le")

    def decode_bytes(self, ids: ArrayLike) -> bytes:
        """The bytes of `ids` [position] in UTF-8. Raises `DataError` as `decode`."""
        return self.decode(ids).encode("utf-8")

    def to_json(self) -> str:
        """A model of whole words, each of one character; there is no unknown token, so nothing is dropped."""
        library = LibraryTokenizer(models.WordLevel({character: n for n, character in enumerate(self.characters)}))
        library.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        library.decoder = decoders.Fuse()
        return library.to_str(pretty=True)

    def _unknown(self, characters: Iterable[str]) -> str:
        """One line about characters, each of which comes once."""
        found = list(characters)
        names = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in found[:SHOWN])
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        return (
            f"the vocabulary of {self.size:,} characters does not have {names}{more}; leave them out, or train with"
            " --tokenizer bytes or --tokenizer bpe, which can encode every character"
        )


class Bytes(Tokenizer):
    """Each byte of the text in UTF-8 is a token, and its value the id: 256 tokens, and nothing is unknown."""

    kind = "bytes"

    def __init__(self) -> None:
        super().__init__([bytes([value]) for value in range(256)])

    def encode(self, text: str) -> Ids:
        """The ids of `text`, [position]. Raises `DataError` for a lone surrogate."""
        return np.frombuffer(encoded(text, "utf-8"), dtype=np.uint8).astype(self.dtype)

    def decode_bytes(self, ids: ArrayLike) -> bytes:
        """The bytes of `ids` [position]. Raises `DataError` for an id above 255."""
        return self._checked(ids).astype(np.uint8).tobytes()

    def to_json(self) -> str:
        """Byte-pair encoding without a pair."""
        library = LibraryTokenizer(models.BPE({sign: value for value, sign in enumerate(BYTE_SIGNS)}, []))
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        library.decoder = decoders.ByteLevel()
        return library.to_str(pretty=True)


def _byte_signs() -> str:
    """The sign that stands for each byte in a ByteLevel vocabulary, which holds text.

    Bytes that Latin-1 prints stand for themselves, the other 68 for U+0100 and following (GPT-2's vocabulary).
    """
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in prints]
    signs = {value: chr(value) for value in prints} | {value: chr(0x100 + n) for n, value in enumerate(others)}
    return "".join(signs[value] for value in range(256))


BYTE_SIGNS = _byte_signs()
BYTE_OF_SIGN = {sign: value for value, sign in enumerate(BYTE_SIGNS)}
