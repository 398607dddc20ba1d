"""A corpus as ids: in memory, or for a large one in a file of the cache that is mapped into memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from kqv.data import sources
from kqv.data.text.codec import Ids, Tokenizer
from kqv.data.text.corpora import Corpus, Split
from kqv.errors import DataError
from kqv.files import make_folder, written_atomically
from kqv.files.reading import open_regular
from kqv.files.temporary import remove_leftovers

__all__ = ["Advance", "Tokens", "tokenized"]

LARGE = 20_000_000  # bytes of text; from there on the ids are kept
AT_ONCE = 8  # pieces that are tokenized side by side
DIGEST = hashlib.sha256().digest_size
READ = 1 << 24  # bytes of a kept file that are read at once

Advance = Callable[[int, int], None]
"""What is told about progress: bytes of text done, and bytes in all."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The ids of both splits, [position]; `validation_bytes`: bytes of the held-out text."""

    train: Ids
    validation: Ids
    validation_bytes: int

    @property
    def bytes_per_token(self) -> float:
        """Bytes of held-out text for each of its tokens: bits per byte = loss / ln 2 / bytes per token."""
        return self.validation_bytes / len(self.validation)


def tokenized(corpus: Corpus, tokenizer: Tokenizer, progress: Advance | None = None) -> Tokens:
    """The ids of a corpus. A large one is tokenized once, piece by piece, and kept in the cache.

    The kept file is named by the checksums of text and vocabulary, and appears only when it is whole.
    Raises `DataError` for characters that the tokenizer does not know, and `Error` when the disk is full.
    """
    counted = _Counted(corpus, tokenizer, progress)
    ids = _kept if corpus.size > LARGE else _in_memory
    train, validation = ids(counted, "train"), ids(counted, "validation")
    return Tokens(train, validation, corpus.bytes_of("validation"))


class _Counted:
    """The ids of a corpus, split by split, while the bytes done are told."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, progress: Advance | None) -> None:
        self.corpus, self.tokenizer, self.progress = corpus, tokenizer, progress
        self.done = 0

    def ids(self, split: Split) -> Iterator[Ids]:
        for texts in _groups(self.corpus.pieces(split), AT_ONCE):
            yield from self.tokenizer.encode_many(texts)
            self.advance(sum(len(text.encode("utf-8")) for text in texts))

    def advance(self, size: int) -> None:
        self.done += size
        if self.progress:
            self.progress(self.done, self.corpus.size)


def _in_memory(counted: _Counted, split: Split) -> Ids:
    return np.concatenate([np.empty(0, counted.tokenizer.dtype), *counted.ids(split)])


def _kept(counted: _Counted, split: Split) -> Ids:
    """The ids of a split from the cache; they are put there first if they are missing or not what was written."""
    corpus, tokenizer = counted.corpus, counted.tokenizer
    folder = sources.cache_folder() / "tokens"
    name = f"{corpus.sha256[:32]}-{tokenizer.sha256[:32]}-{split}.ids"
    ids = _mapped(folder / name, tokenizer)
    if ids is not None:
        counted.advance(corpus.bytes_of(split))
        return ids
    make_folder(folder)
    remove_leftovers(folder)
    with written_atomically(folder / name) as file:
        checksum = hashlib.sha256(name.encode())
        for part in counted.ids(split):
            checksum.update(part.data)
            file.write(part.data)
        file.write(checksum.digest())
    ids = _mapped(folder / name, tokenizer)
    if ids is None:
        raise DataError(f"{folder / name} does not read as it was just written: check the disk")
    return ids


def _mapped(path: Path, tokenizer: Tokenizer) -> Ids | None:
    """The ids of a kept file, unless it is missing or not what was written: at its end stands the checksum of its name,
    which says of which text and vocabulary it is, and of the ids."""
    width = np.dtype(tokenizer.dtype).itemsize
    try:
        with open_regular(path) as file:
            whole = os.fstat(file.fileno()).st_size - DIGEST
            if whole <= 0 or whole % width:
                return None
            checksum, left = hashlib.sha256(path.name.encode()), whole
            while part := file.read(
                min(READ, left)
            ):  # read, not mapped: what is mapped counts as this process's memory
                checksum.update(part)
                left -= len(part)
            if left or checksum.digest() != file.read(DIGEST):
                return None
            return np.memmap(file, tokenizer.dtype, "r", shape=(whole // width,))
    except (OSError, ValueError):  # not there, or shorter than a moment ago
        return None


def _groups(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    texts = iter(texts)
    while group := list(islice(texts, size)):
        yield group
