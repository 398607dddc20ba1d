"""What a command says while a text is downloaded for, learned from or cut into tokens, or while it translates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from kqv.cli import preparing
from kqv.data.text.corpora import load_text
from kqv.data.text.tokenizers import make_tokenizer
from kqv.data.text.tokens import tokenized
from kqv.systems.changes import Changes
from kqv.systems.gpt.planned import plan
from kqv.systems.system import Asked
from kqv.training.distributed import Group

TEXT = "ein Text, aus dem man lernt; " * 200


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Callable[[], str]]:
    """A function that puts a console in place, a terminal or a pipe, and gives back what reads it."""

    def position(terminal: bool) -> Callable[[], str]:
        from io import StringIO

        written = StringIO()
        monkeypatch.setattr(preparing, "notices", Console(file=written, force_terminal=terminal, width=100))
        return written.getvalue

    return position


@pytest.mark.parametrize("terminal", [True, False])
def test_cutting_a_text_into_tokens_is_shown_where_it_takes_long(
    terminal: bool, shown: Callable[[bool], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    read = shown(terminal)
    with preparing.TerminalWatcher().tokenizing() as advance:
        advance(100, 30_000_000)
    assert read() == "", "what is quick shows nothing"
    monkeypatch.setattr(preparing, "PATIENCE", 0.0)
    with preparing.TerminalWatcher().tokenizing() as advance:
        for done in (10_000_000, 20_000_000, 30_000_000):
            advance(done, 30_000_000)
    assert ("cutting the text into tokens" if terminal else "cutting 30.0 MB of text into tokens …\n") in read()
    assert read().count("cutting") == 1 or terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_translating_is_shown_in_sentences(
    terminal: bool, shown: Callable[[bool], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(preparing, "PATIENCE", 0.0)
    read = shown(terminal)
    with preparing.TerminalWatcher().translating() as advance:
        for done in (400, 800, 1000):
            advance(done, 1000)
    assert ("/1000" if terminal else "translating 1,000 sentences …\n") in read()


def test_the_bar_goes_where_something_fails(
    shown: Callable[[bool], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(preparing, "PATIENCE", 0.0)
    read = shown(True)

    def fail() -> None:
        with preparing.TerminalWatcher().tokenizing() as advance:
            advance(1, 30_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    hidden, back = "\x1b[?25l", "\x1b[?25h"
    assert read().count(hidden) == read().count(back) == 1, "the cursor is there again"


def test_learning_byte_pairs_is_said(tmp_path: Path, shown: Callable[[bool], Callable[[], str]]) -> None:
    read = shown(False)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    group = Group(device=torch.device("cpu"))
    for kind in ("auto", "characters", "bytes", "gpt2"):
        plan(asked(tmp_path, kind), group, preparing.TerminalWatcher())
    assert read() == ""
    plan(asked(tmp_path, "bpe"), group, preparing.TerminalWatcher())
    assert read() == "learning byte pairs from 0.0 MB of text …\n"


def asked(folder: Path, tokenizer: str) -> Asked:
    """A training on the folder's text with a kind of vocabulary."""
    return Asked(changes=Changes(data=str(folder / "text.txt"), tokenizer=tokenizer, steps=1))


def test_tokens_with_a_bar_are_those_without(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    corpus = load_text(tmp_path / "text.txt")
    tokenizer = make_tokenizer(corpus)
    with preparing.TerminalWatcher().tokenizing() as advance:
        tokens = tokenized(corpus, tokenizer, advance)
    assert tokenizer.decode(tokens.train) + tokenizer.decode(tokens.validation) == TEXT
