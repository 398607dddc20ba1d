"""A corpus as ids: in memory and in the cache, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kqv.data import sources
from kqv.data.text import tokens
from kqv.data.text.byte_pairs import train_byte_pairs
from kqv.data.text.characters import Bytes, Characters
from kqv.data.text.codec import Tokenizer
from kqv.data.text.corpora import Corpus
from kqv.data.text.pieces import scan
from kqv.data.text.streams import Stream, TextInMemory
from kqv.data.text.tokens import tokenized
from kqv.errors import DataError

TEXT = "".join(f"Zeile {number}: ein Pfund kostet 3 €, doch\n\n  nicht hier.\r\n" for number in range(300))


def corpus_of(text: str) -> Corpus:
    """A text in memory in pieces of about 1,000 bytes."""
    stream = Stream([TextInMemory("text", text.encode())])
    return Corpus("text", stream, scan(stream, 1_000))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and corpora above 10,000 bytes count as large."""
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(tokens, "LARGE", 10_000)
    return tmp_path / "cache" / "tokens"


EACH = pytest.mark.parametrize(
    "tokenizer",
    [Characters(sorted(set(TEXT))), Bytes(), train_byte_pairs([TEXT], 400)],
    ids=lambda tokenizer: tokenizer.kind,
)


@EACH
@pytest.mark.parametrize("large", [False, True])
def test_ids_are_those_of_the_whole_text(
    tokenizer: Tokenizer, large: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(TEXT)
    assert corpus.size > 10_000
    if not large:
        monkeypatch.setattr(tokens, "LARGE", corpus.size)
    found = tokenized(corpus, tokenizer)
    border = int(0.9 * len(TEXT))
    for ids, text in ((found.train, TEXT[:border]), (found.validation, TEXT[border:])):
        assert ids.dtype == tokenizer.dtype
        assert isinstance(ids, np.memmap) == large
        assert ids.tolist() == tokenizer.encode(text).tolist()
    assert found.bytes_per_token == len(TEXT[border:].encode()) / len(tokenizer.encode(TEXT[border:]))
    assert cache.exists() == large


def test_a_large_corpus_is_tokenized_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, tokenizer = corpus_of(TEXT), Bytes()
    first = tokenized(corpus, tokenizer)
    monkeypatch.setattr(Bytes, "encode", lambda *_: pytest.fail("tokenized again"))
    again = tokenized(corpus_of(TEXT), Bytes())
    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.validation, again.validation)
    assert sorted(path.suffix for path in cache.iterdir()) == [".ids", ".ids"]


def test_another_text_or_vocabulary_has_its_own_file(cache: Path) -> None:
    for corpus in (corpus_of(TEXT), corpus_of(TEXT.replace("ein", "kein"))):
        for tokenizer in (Bytes(), Characters(sorted(set(TEXT)))):
            text = corpus.train
            assert tokenized(corpus, tokenizer).train.tolist() == tokenizer.encode(text).tolist()
    assert len(list(cache.iterdir())) == 8


@pytest.mark.parametrize("damage", [lambda content: content[:-200], lambda content: b"", lambda content: content[:-1]])
def test_a_file_that_was_cut_short_is_made_again(cache: Path, damage: object) -> None:
    corpus, tokenizer = corpus_of(TEXT), Bytes()
    whole = tokenized(corpus, tokenizer).train.tolist()
    for path in cache.iterdir():
        path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert tokenized(corpus, tokenizer).train.tolist() == whole


@EACH
@pytest.mark.parametrize("large", [False, True])
def test_progress_counts_every_byte(
    tokenizer: Tokenizer, large: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(TEXT)
    if not large:
        monkeypatch.setattr(tokens, "LARGE", corpus.size)
    for _ in range(2):  # the second time from the cache
        told: list[tuple[int, int]] = []
        tokenized(corpus, tokenizer, lambda done, whole, told=told: told.append((done, whole)))
        assert told == sorted(told)
        assert told[-1] == (corpus.size, corpus.size)


def test_a_failed_tokenization_leaves_nothing(cache: Path) -> None:
    corpus = corpus_of(TEXT + "☃" + TEXT[: len(TEXT) // 100])
    with pytest.raises(DataError, match="☃"):
        tokenized(corpus, Characters(sorted(set(TEXT))))
    assert [path.suffix for path in cache.iterdir()] in ([".ids"], [])


def test_abandoned_files_are_removed_and_young_ones_kept(cache: Path) -> None:
    for name, age in ((".old.1.part", 2 * tokens.ABANDONED), (".young.2.part", 10)):
        folder = cache / name
        folder.mkdir(parents=True)
        (folder / "ids").write_bytes(b"half")
        os.utime(folder, (time.time() - age,) * 2)
    tokenized(corpus_of(TEXT), Bytes())
    assert [path.name for path in cache.iterdir() if path.suffix == ".part"] == [".young.2.part"]


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_tokens as t
t.sources.cache_folder = lambda: Path(sys.argv[1])
t.tokens.LARGE = 10_000
def told(done, whole):
    if done > 8_000:
        os.kill(os.getpid(), signal.SIGKILL)
t.tokenized(t.corpus_of(t.TEXT), t.Bytes(), told)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_killed_tokenization_is_not_taken_for_whole(cache: Path) -> None:
    arguments = [sys.executable, "-c", KILLED, str(cache.parent), str(Path(__file__).parent)]
    ended = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert [path.suffix for path in cache.iterdir()] == [".part"]  # it died while it wrote
    found = tokenized(corpus_of(TEXT), Bytes())
    assert bytes(found.train.astype(np.uint8)) + bytes(found.validation.astype(np.uint8)) == TEXT.encode()
