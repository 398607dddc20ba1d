"""Choosing, making and loading tokenizers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from kqv.data.sources import Progress
from kqv.data.text.byte_pairs import BytePairs, gpt2, train_byte_pairs
from kqv.data.text.characters import BYTE_SIGNS, Bytes, Characters
from kqv.data.text.codec import FILE, Ids, Kind, Tokenizer, file_of
from kqv.data.text.corpora import Corpus
from kqv.errors import ADVICE, DataError
from kqv.files.reading import read_text

__all__ = ["FILE", "Choice", "Ids", "Kind", "Tokenizer", "choose_tokenizer", "load", "make_tokenizer"]

MOST_CHARACTERS = 256
BYTES_FOR_A_TOKEN = 400
SMALLEST_TRAINED = 512
LARGEST_TRAINED = 16_384
TRAINED_ON = 100_000_000  # bytes: pairs that are frequent in a whole are frequent in an evenly taken part of it


class Choice(NamedTuple):
    """Which tokenizer, how many tokens at most, and why, in a sentence."""

    kind: Kind
    size: int
    reason: str


def choose_tokenizer(corpus: Corpus) -> Choice:
    """Characters for a text with up to 256 distinct ones, else byte pairs of a size that fits the text.

    The size is the largest power of two, from 512 to 16,384, that leaves 400 bytes of text for each token: a token has
    some four bytes, so it comes 100 times on average, and what comes less often is hardly learned. Above 16,384 the
    table of tokens would outweigh the rest of a model that a laptop trains.
    """
    distinct = len(corpus.characters())
    if distinct <= MOST_CHARACTERS:
        reason = f"each character is a token, since the text has only {distinct} distinct ones"
        return Choice("characters", distinct, reason)
    size = _fitting_size(corpus)
    return Choice(
        "bpe",
        size,
        f"byte pairs, trained on this text, since it has {distinct:,} distinct characters; {size:,} fit its length",
    )


def make_tokenizer(
    corpus: Corpus,
    kind: Kind | Literal["auto"] = "auto",
    size: int | None = None,
    progress: Progress | None = None,
) -> Tokenizer:
    """The tokenizer of a kind for a corpus; "auto" is what `choose_tokenizer` chooses.

    `size`: how many tokens byte pairs are trained to; the other kinds have theirs. Characters are those of both splits,
    byte pairs are trained on the training split. `progress` makes a bar for the download of GPT-2's.
    Raises `DataError`: unknown kind, size too small, failed download.
    """
    kind = choose_tokenizer(corpus).kind if kind == "auto" else kind
    if kind == "characters":
        return Characters(corpus.characters())
    if kind == "bytes":
        return Bytes()
    if kind == "gpt2":
        return gpt2(progress)
    if kind != "bpe":
        raise DataError(f"no tokenizer is called {kind!r}; there are auto, {', '.join(get_args(Kind))}")
    step = -(-corpus.size // TRAINED_ON)
    taken = (piece for number, piece in enumerate(corpus.pieces("train")) if number % step == 0)
    return train_byte_pairs(taken, _fitting_size(corpus) if size is None else size)


def load(path: str | Path) -> Tokenizer:
    """The tokenizer that `save` wrote to `path`, or into the folder `path`; also a ByteLevel one of somebody else.

    Its kind follows from what it is: words of one character each are characters, 256 bytes without a pair are bytes,
    GPT-2's vocabulary is known by its checksum, and all else is byte pairs.
    Raises `DataError` if it is missing, damaged, or of a kind that is not known here.
    """
    file = file_of(path)
    try:
        text = read_text(file)
        content: dict[str, Any] = json.loads(text)
        model = content["model"]
        if model["type"] == "WordLevel":
            return _characters(model["vocab"])
        if not model["merges"] and [model["vocab"].get(sign) for sign in BYTE_SIGNS] == list(
            range(len(model["vocab"]))
        ):
            return Bytes()
        return BytePairs(text)
    except FileNotFoundError:
        raise DataError(f"there is no tokenizer {file}; {ADVICE}") from None
    except OSError as failure:
        raise DataError(f"{file} cannot be read: {failure.strerror or failure}; {ADVICE}") from None
    except DataError as failure:
        raise DataError(f"{file}: {failure}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{file} is damaged: it is not a tokenizer in the format of `tokenizers`; {ADVICE}") from None


def _fitting_size(corpus: Corpus) -> int:
    fitting = max(corpus.bytes_of("train") // BYTES_FOR_A_TOKEN, 1)
    power = 1 << (fitting.bit_length() - 1)
    return min(max(power, SMALLEST_TRAINED), LARGEST_TRAINED)


def _characters(vocabulary: dict[str, int]) -> Characters:
    """Characters in the order of their ids. Raises `ValueError` if the ids do not count them."""
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ValueError("ids with gaps")
    characters = sorted(vocabulary, key=vocabulary.__getitem__)
    longer = next((token for token in characters if len(token) != 1), None)
    if longer is not None:
        raise DataError(f"its tokens are words such as {longer!r}, but only single characters are supported here")
    return Characters(characters)
