r"""Characters and bytes as tokens of a GGUF file: in the kind of vocabulary that RWKV's models have.

llama.cpp takes the longest token that a text begins with, again and again; there are no merges, nothing parts words,
and no token begins or ends a text. Tokens stand there as Python would write them: `\n`, `\xff`. Byte-level BPE, the
other kind without a vocabulary of words, is none for this: llama.cpp takes its token 11 for the end of a text where a
file names no other, and a list of no merges cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kqv.data.text.characters import Bytes, Characters
from kqv.data.text.codec import Tokenizer
from kqv.errors import DataError

KIND = "rwkv"

_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r", "\\": r"\\"}
_BY_NAME = {"t": b"\t", "n": b"\n", "r": b"\r"}
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)


def escaped(token: bytes) -> str:
    """A token as it stands in a file. What is no printable text is written by its bytes."""
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return _in_bytes(token)
    return "".join(_NAMED.get(sign) or (sign if sign.isprintable() else _in_bytes(sign.encode())) for sign in text)


def _in_bytes(token: bytes) -> str:
    return "".join(rf"\x{byte:02x}" for byte in token)


def unescaped(token: str) -> bytes:
    """The bytes that a token of a file stands for, as llama.cpp reads it."""

    def meant(match: re.Match[bytes]) -> bytes:
        value, sign = match.groups()
        return bytes([int(value, 16)]) if value else _BY_NAME.get(sign.decode("latin-1"), sign)

    return _ESCAPE.sub(meant, token.encode("utf-8"))


def tokenizer_of(tokens: Sequence[str]) -> Tokenizer:
    """Bytes, or characters; `DataError` for a vocabulary that has longer tokens, as RWKV's own has."""
    found = [unescaped(token) for token in tokens]
    if found == list(Bytes().tokens):
        return Bytes()
    try:
        characters = [token.decode("utf-8") for token in found]
    except UnicodeDecodeError:
        characters = []
    if not characters or any(len(character) != 1 for character in characters):
        raise DataError("its tokenizer is RWKV's, of which only single characters and the 256 bytes are supported")
    return Characters(characters)


def beginnings(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes that characters begin with and that are no token: `\xc3` of ä, but none in a vocabulary of bytes.

    llama.cpp goes round in a circle where a text has a character that begins like a token and is none (an é in a
    vocabulary with ä), unless what they have in common is a token. With such tokens at the vocabulary's end it refuses
    the text, as one with other unknown characters: the bytes behind them begin no token.
    """
    known = set(tokenizer.tokens)
    found = {token[:size] for token in known for size in range(1, len(token))}
    return sorted(found - known)
