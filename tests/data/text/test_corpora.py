"""Corpora: what a name, a file or a folder becomes, its splits, and what is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from pydoc_data.topics import topics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kqv.data.sources import SOURCES, find
from kqv.data.text import streams
from kqv.data.text.corpora import Corpus, load_text
from kqv.data.text.pieces import scan
from kqv.data.text.streams import Stream, TextInMemory
from kqv.errors import DataError

TEXT = "Wär' nicht das Auge sonnenhaft,\r\nDie Sonne könnt' es nie erblicken; ☀\n\n" * 40


def corpus_of(text: str, size: int) -> Corpus:
    """A text in memory, in pieces of about `size` bytes."""
    stream = Stream([TextInMemory("text", text.encode())])
    return Corpus("text", stream, scan(stream, size))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_python_docs_are_embedded() -> None:
    corpus = load_text("Python-Docs")
    text = "\n\n".join(topics[topic] for topic in sorted(topics))
    assert corpus.train + corpus.validation == text
    assert corpus.characters() == "".join(sorted(set(text)))
    assert (corpus.name, corpus.size) == ("python-docs", len(text.encode()))


def test_shakespeare_is_split_as_nanogpt_splits_it() -> None:
    source = SOURCES["shakespeare"]
    path = find(source, source.files[0])
    if path is None or path.suffix == ".gz":
        pytest.skip("tiny Shakespeare is not here: set KQV_DATA to a folder that has it")
    text, corpus = path.read_text(encoding="utf-8"), load_text("shakespeare")
    border = int(0.9 * len(text))
    assert (corpus.train, corpus.validation) == (text[:border], text[border:])
    assert corpus.sha256 == source.files[0].sha256


def test_a_file_keeps_its_line_ends_and_loses_its_byte_order_mark(tmp_path: Path) -> None:
    corpus = load_text(write(tmp_path / "goethe.anything", b"\xef\xbb\xbf" + TEXT.encode()))
    assert corpus.train + corpus.validation == TEXT
    assert corpus.train == TEXT[: int(0.9 * len(TEXT))]
    assert corpus.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert corpus.size == len(TEXT.encode())
    assert f"{len(TEXT):,} characters" in corpus.describe()


def test_a_folder_is_its_texts_by_path(tmp_path: Path) -> None:
    write(tmp_path / "b.md", "second\n")
    write(tmp_path / "a" / "z.txt", b"\xef\xbb\xbffirst\n")
    write(tmp_path / "c.py", "")
    write(tmp_path / "picture.png", b"\x89PNG\x00")
    write(tmp_path / ".git" / "config.txt", "hidden")
    write(tmp_path / "__pycache__" / "x.txt", "made")
    corpus = load_text(str(tmp_path))
    assert corpus.train + corpus.validation == "first\n\n\nsecond\n"
    assert [Path(name).name for name in corpus.sources] == ["z.txt", "b.md"]
    assert "2 files (1 other file left out" in corpus.describe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a", "one character"),
        (b"abc\xe9d", r"not UTF-8: byte 3 is 0xe9, .*save it as UTF-8"),
        (b"\xef\xbb\xbfabc\xe9d", "byte 6 is 0xe9"),
        ("a€".encode()[:-1], "byte 1 is 0xe2, where its last character breaks off"),
        (b"ab\x00c", "byte 2 is zero"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b"\x1f\x8b\x08", "compressed by gzip, .*unpack it"),
        (b"PK\x03\x04\x14", "a ZIP archive, .*save its text"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF, .*save its text as .txt"),
        (b"\x89PNG\r\n\x1a\n", r"a picture \(PNG\)"),
        (b"\xff\xd8\xff\xe0", r"a picture \(JPEG\)"),
        (b"\xed\xa0\x80", "byte 0 is 0xed"),
    ],
)
def test_what_is_no_text_is_refused_by_name_and_position(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "poem.txt", content)
    with pytest.raises(DataError, match=f"poem.txt.*{message}"):
        load_text(path)


def test_a_position_in_a_folder_is_that_in_its_file(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", TEXT)
    write(tmp_path / "b.txt", b"\xef\xbb\xbfab\xff")
    with pytest.raises(DataError, match=r"b\.txt is not UTF-8: byte 5 is 0xff"):
        load_text(tmp_path)


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text is called 'hamlet'.*python-docs, shakespeare"):
        load_text("hamlet")
    with pytest.raises(DataError, match="mnist is not text"):
        load_text("mnist")
    with pytest.raises(DataError, match="no text is called ''"):
        load_text(" ")
    with pytest.raises(DataError, match="no text is called"):
        load_text(Path("shakespeare-is-a-path-here"))
    write(tmp_path / "a.png", b"\x89")
    with pytest.raises(DataError, match=r"has no text: .*found 1 of other kinds"):
        load_text(tmp_path)


@pytest.mark.parametrize("change", [TEXT + "more", TEXT.replace("Sonne", "SONNE")])
def test_a_file_that_changes_is_refused(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "poem.txt", TEXT)
    corpus = load_text(path)
    write(path, change)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000_000))
    with pytest.raises(DataError, match="changed while it was being read"):
        _ = corpus.train


texts = st.text(st.sampled_from("ab' \n\r\t\u00a0\u3000\x1cé☀😀1!"), min_size=2, max_size=80)


@given(text=texts, size=st.integers(4, 30))
def test_pieces_are_the_text(text: str, size: int) -> None:
    corpus, border = corpus_of(text, size), int(0.9 * len(text))
    assert (corpus.train, corpus.validation) == (text[:border], text[border:])
    assert corpus.bytes_of("train") == len(text[:border].encode())
    assert corpus.bytes_of("validation") == len(text[border:].encode())
    assert all(len(piece.encode()) <= size for piece in corpus.pieces("train"))
    assert corpus.characters() == "".join(sorted(set(text)))
    assert corpus.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_pieces_end_with_lines() -> None:
    pieces = list(corpus_of(TEXT, 200).pieces("train"))
    assert len(pieces) > 10
    assert all(piece[0] in "\r\n" and piece[-1] not in "\r\n" for piece in pieces[1:-1])


@given(contents=st.lists(st.binary(max_size=9), min_size=1, max_size=5), between=st.binary(max_size=3))
def test_a_stream_is_its_texts_joined(contents: list[bytes], between: bytes) -> None:
    stream = Stream([TextInMemory(str(n), content) for n, content in enumerate(contents)], between)
    whole = between.join(contents)
    assert stream.size == len(whole)
    for start in range(len(whole)):
        name, position = stream.locate(start)
        if name.isdigit():
            assert contents[int(name)][position] == whole[start]
        for stop in range(start, len(whole) + 2):
            assert stream.read(start, stop) == whole[start:stop]


def test_a_large_file_is_read_in_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read = streams.TextFile.read

    def count(self: streams.TextFile, start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return read(self, start, stop)

    monkeypatch.setattr(streams.TextFile, "read", count)
    corpus = load_text(write(tmp_path / "long.txt", TEXT * 1000))
    for piece in corpus.pieces("train"):
        assert len(piece.encode()) <= 1_000_000
    assert corpus.size > 2_500_000
    assert max(asked) <= 1_000_000
