"""Byte-pair encoding, trained on a text or GPT-2's own.

A token is a byte, or a pair of tokens that was joined because it was frequent: Sennrich et al. 2016, "Neural Machine
Translation of Rare Words with Subword Units", on bytes as in Radford et al. 2019. The library `tokenizers` counts and
joins; since every byte is a token, no text has anything unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as LibraryTokenizer

from kqv.data.sources import Progress, read
from kqv.data.text.characters import BYTE_OF_SIGN
from kqv.data.text.codec import Ids, Tokenizer, encoded
from kqv.data.text.library import answering, read_library, require_known
from kqv.errors import DataError

UNANSWERED = "the tokenizer does not take this text"
LONGEST_WORD = 1_000  # signs: what is longer is data in the midst of a text, and no language has such words
_LONG = re.compile(rf"\S{{{LONGEST_WORD}}}|\s{{{LONGEST_WORD}}}")
SMALLEST = 257  # the bytes and one pair
END_OF_TEXT = "<|endoftext|>"
ENDS_OF_TEXT = (END_OF_TEXT, "<|end_of_text|>")  # GPT-2's and Qwen's, and Llama 3's
ENDS_OF_TURN = ("<|im_end|>", "<|eot_id|>")  # in a chat: Qwen's and SmolLM's, and Llama 3's
GPT2_SHA256 = "0bd377e3ef6392ac909fe64a13b017cdd8f6dcdb4d9753c30d81c7b3533b9486"  # Tokenizer.sha256 of its vocabulary


class BytePairs(Tokenizer):
    """A ByteLevel byte-pair tokenizer of the library `tokenizers`, as it stands in `content` (its JSON).

    Special tokens, such as GPT-2's <|endoftext|>, are never read from a text: a text that spells one stays text.
    Raises `DataError` if the library does not take the content, or the tokens are not made of bytes.
    """

    def __init__(self, content: str) -> None:
        self._library = read_library(content)
        self._library.encode_special_tokens = True
        self._parts: dict[str, Any] = json.loads(self._library.to_str())
        super().__init__(_token_bytes(self._library, self._parts))
        self.kind = "gpt2" if self.sha256 == GPT2_SHA256 else "bpe"

    @property
    def end_of_text(self) -> int | None:
        """The id of <|endoftext|> (or Llama 3's name for it), which no text is encoded to; None if there is none."""
        ids = (self._library.token_to_id(name) for name in ENDS_OF_TEXT)
        return next((token for token in ids if token is not None), None)

    @property
    def endings(self) -> frozenset[int]:
        """The special tokens that end a text, or a turn of a chat."""
        special = self.special_tokens
        return super().endings | {special[name] for name in ENDS_OF_TURN if name in special}

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """The ids of tokens that no text is encoded to, by how they are written."""
        return {token["content"]: token["id"] for token in self._parts["added_tokens"] if token["special"]}

    @cached_property
    def begin_of_text(self) -> int | None:
        """The special token that the file puts before a text, such as Llama 3's; None if it puts none."""
        return first_of(self._library)

    @cached_property
    def merges(self) -> list[tuple[str, str]]:
        """The pairs that are joined, the first one first, in the signs of bytes."""
        return [(left, right) for left, right in self._parts["model"]["merges"]]

    @property
    def byte_merges(self) -> list[tuple[bytes, bytes]]:
        """`merges`, in bytes."""
        return [(_bytes_of(left), _bytes_of(right)) for left, right in self.merges]

    def words(self, text: str) -> list[bytes]:
        """The words that `text` is parted into, in bytes: no pair is joined across two of them.

        Raises `DataError` for a lone surrogate.
        """
        encoded(text, "utf-8")
        with answering(UNANSWERED):
            if self._library.normalizer is not None:
                text = self._library.normalizer.normalize_str(text)
            return [_bytes_of(word) for word, _ in self._library.pre_tokenizer.pre_tokenize_str(text)]

    def encode(self, text: str) -> Ids:
        """The ids of `text`, [position]. Raises `DataError` for a lone surrogate."""
        return self.encode_many([text])[0]

    def encode_many(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of several texts, computed side by side. Raises `DataError` as `encode`."""
        for text in texts:
            encoded(text, "utf-8")
        with answering(UNANSWERED):
            found = self._library.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=self.dtype) for encoding in found]

    def to_json(self) -> str:
        """The tokenizer as the library writes it."""
        return self._library.to_str(pretty=True)

    def _rules(self) -> Sequence[bytes]:
        rules = [f"{left} {right}".encode() for left, right in self.merges]
        steps = [self._parts["normalizer"], self._parts["pre_tokenizer"]]
        if not _is_plain(steps):  # another way to part words: only from a folder that somebody else wrote
            rules.append(json.dumps(steps, sort_keys=True, allow_nan=False).encode())
        return rules


def first_of(library: LibraryTokenizer) -> int | None:
    """The special token that a tokenizer of the library puts before a text; None for none, or only behind it."""
    with answering(UNANSWERED):
        bare, whole = (library.encode("a", add_special_tokens=special).ids for special in (False, True))
        require_known(whole, library.get_vocab_size())
    return whole[0] if len(whole) > len(bare) and whole[:1] != bare[:1] else None


def train_byte_pairs(texts: Iterable[str], size: int) -> BytePairs:
    """Byte pairs for `texts`: 256 bytes, then the most frequent pair joined again and again, up to `size` tokens.

    The same texts give the same tokens. A pair that comes once is not joined, so a small text gets fewer than `size`.
    Raises `DataError` for a size that leaves no pair.
    """
    if size < SMALLEST:
        raise DataError(
            f"a byte-pair vocabulary has at least {SMALLEST} tokens, 256 bytes and a pair, but got {size:,};"
            " give more, or take --tokenizer bytes"
        )
    library = _library({sign: n for n, sign in enumerate(sorted(BYTE_OF_SIGN))}, [])
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, initial_alphabet=sorted(BYTE_OF_SIGN), show_progress=False
    )
    library.train_from_iterator(_without_long_words(texts), trainer)
    return BytePairs(library.to_str())


def _without_long_words(texts: Iterable[str]) -> Iterator[str]:
    """The texts, cut where a word (or a gap) has more than `LONGEST_WORD` signs: counting its pairs takes the square of
    its length."""
    for text in texts:
        start = 0
        for found in _LONG.finditer(text):
            yield text[start : found.end()]
            start = found.end()
        yield text[start:]


def gpt2(progress: Progress | None = None) -> BytePairs:
    """GPT-2's 50,257 tokens: 256 bytes, 50,000 pairs and <|endoftext|>; downloaded if they are not here.

    Raises `DataError` if the download fails, or a file is damaged.
    """
    vocabulary: dict[str, int] = json.loads(read("gpt2", "encoder.json", progress))
    lines = read("gpt2", "vocab.bpe", progress).decode("utf-8").splitlines()
    merges = [(left, right) for left, right in (line.split() for line in lines[1:])]  # the first line is a heading
    library = _library(vocabulary, merges)
    library.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    return BytePairs(library.to_str())


def _library(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> LibraryTokenizer:
    library = LibraryTokenizer(models.BPE(vocabulary, merges))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    return library


def _is_plain(steps: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether the words are parted by GPT-2's pattern and nothing else happens to them."""
    normalizer, parting = steps
    return (
        normalizer is None
        and parting is not None
        and parting["type"] == "ByteLevel"
        and not parting["add_prefix_space"]
        and bool(parting["use_regex"])
    )


def _bytes_of(signs: str) -> bytes:
    """The bytes that the signs of a token or a word stand for."""
    return bytes(BYTE_OF_SIGN[sign] for sign in signs)


def _token_bytes(library: LibraryTokenizer, parts: Mapping[str, Any]) -> list[bytes]:
    """The bytes of each token by id: signs stand for bytes, and an added token for its own characters."""
    if parts["model"]["type"] != "BPE" or "ByteLevel" not in json.dumps(parts["decoder"], allow_nan=False):
        raise DataError(
            f"the tokenizer's model is {parts['model']['type']} with the decoder {parts['decoder']}, but expected"
            " single characters (WordLevel) or byte pairs (BPE with ByteLevel); take another one"
        )
    added = {token["content"] for token in parts["added_tokens"]}
    tokens: dict[int, bytes] = {}
    for token, number in library.get_vocab().items():
        try:
            tokens[number] = token.encode() if token in added else _bytes_of(token)
        except KeyError as failure:
            raise DataError(f"token {number}, {token!r}, has {failure.args[0]!r}, which stands for no byte") from None
    if sorted(tokens) != list(range(len(tokens))):
        raise DataError(
            f"the vocabulary has {len(tokens):,} tokens, but their numbers are not 0 to {len(tokens) - 1:,}"
        )
    return [tokens[number] for number in range(len(tokens))]
