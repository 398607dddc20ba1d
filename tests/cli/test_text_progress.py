"""What a command says while a text is downloaded for, learned from, or cut into tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from kqv.cli import console, texts
from kqv.data.text.corpora import load_text
from kqv.data.text.tokenizers import make_tokenizer

TEXT = "ein Text, aus dem man lernt; " * 200


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Callable[[], str]]:
    """A function that puts a console in place, a terminal or a pipe, and gives back what reads it."""

    def place(terminal: bool) -> Callable[[], str]:
        from io import StringIO

        written = StringIO()
        monkeypatch.setattr(console, "notices", Console(file=written, force_terminal=terminal, width=100))
        return written.getvalue

    return place


@pytest.mark.parametrize("terminal", [True, False])
def test_cutting_a_text_into_tokens_is_shown_where_it_takes_long(
    terminal: bool, shown: Callable[[bool], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    read = shown(terminal)
    with texts.tokenizing_bar() as advance:
        advance(100, 30_000_000)
    assert read() == "", "what is quick shows nothing"
    monkeypatch.setattr(texts, "PATIENCE", 0.0)
    with texts.tokenizing_bar() as advance:
        for done in (10_000_000, 20_000_000, 30_000_000):
            advance(done, 30_000_000)
    assert ("cutting the text into tokens" if terminal else "cutting 30.0 MB of text into tokens …\n") in read()
    assert read().count("cutting") == 1 or terminal


def test_the_bar_goes_where_something_fails(
    shown: Callable[[bool], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(texts, "PATIENCE", 0.0)
    read = shown(True)

    def fail() -> None:
        with texts.tokenizing_bar() as advance:
            advance(1, 30_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    hidden, back = "\x1b[?25l", "\x1b[?25h"
    assert read().count(hidden) == read().count(back) == 1, "the cursor is there again"


def test_learning_byte_pairs_is_said(
    tmp_path: Path, shown: Callable[[bool], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = shown(False)
    fetched: list[list[str]] = []
    monkeypatch.setattr("kqv.cli.data.fetch_with_progress", fetched.append)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    corpus = load_text(tmp_path / "text.txt")
    for kind in ("auto", "characters", "bytes"):
        texts.announce_tokenizer(corpus, kind)
    assert read() == ""
    texts.announce_tokenizer(corpus, "bpe")
    assert read() == "learning byte pairs from 0.0 MB of text …\n"
    assert fetched == []
    texts.announce_tokenizer(corpus, "gpt2")
    assert fetched == [["gpt2"]]


def test_tokens_with_a_bar_are_those_without(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    corpus = load_text(tmp_path / "text.txt")
    tokenizer = make_tokenizer(corpus)
    tokens = texts.tokenized_with_progress(corpus, tokenizer)
    assert tokenizer.decode(tokens.train) + tokenizer.decode(tokens.validation) == TEXT
