"""A corpus as ids: in memory and in the cache, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
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
from kqv.files.temporary import new_file

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


def flipped(content: bytes, position: int) -> bytes:
    """One bit is another one."""
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


DAMAGE = {
    "cut short": lambda content: content[:-200],
    "empty": lambda content: b"",
    "a byte less": lambda content: content[:-1],
    "a byte more": lambda content: content + b"\0",
    "no checksum": lambda content: content[: -tokens.DIGEST],
    "a bit at the beginning": lambda content: flipped(content, 0),
    "a bit in the middle": lambda content: flipped(content, len(content) // 2),
    "a bit of the checksum": lambda content: flipped(content, len(content) - 1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_made_again(cache: Path, damage: Callable[[bytes], bytes]) -> None:
    corpus, tokenizer = corpus_of(TEXT), Bytes()
    found = tokenized(corpus, tokenizer)
    whole = found.train.tolist(), found.validation.tolist()
    before = {path: path.read_bytes() for path in cache.iterdir()}
    for path, content in before.items():
        path.write_bytes(damage(content))
    again = tokenized(corpus, tokenizer)
    assert (again.train.tolist(), again.validation.tolist()) == whole
    assert whole[0] == tokenizer.encode(corpus.train).tolist()
    assert {path: path.read_bytes() for path in cache.iterdir()} == before


def test_the_file_of_another_text_is_made_again(cache: Path) -> None:
    """As long as the right one, and whole: only its checksum says that it is of another text."""
    one, other = corpus_of(TEXT), corpus_of(TEXT.replace("ein", "nie"))
    tokenized(other, Bytes())
    foreign = {path.name.rpartition("-")[2]: path.read_bytes() for path in cache.iterdir()}
    whole = tokenized(one, Bytes()).train.tolist()
    for path in cache.iterdir():
        path.write_bytes(foreign[path.name.rpartition("-")[2]])
    assert tokenized(one, Bytes()).train.tolist() == whole == Bytes().encode(one.train).tolist()


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


def test_what_killed_tokenizations_left_is_removed(cache: Path) -> None:
    """And nothing that somebody else writes at the moment."""
    cache.mkdir(parents=True)
    handle, left = new_file(cache / "left.ids")
    os.close(handle)
    handle, written = new_file(cache / "written.ids")
    tokenized(corpus_of(TEXT), Bytes())
    assert (Path(left).exists(), Path(written).exists()) == (False, True)
    os.close(handle)


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
