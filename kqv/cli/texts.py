"""Texts and their models for a command: what has to be downloaded, learned or cut into tokens says so meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kqv.data.text.corpora import Corpus
    from kqv.data.text.tokenizers import Tokenizer
    from kqv.data.text.tokens import Advance, Tokens

Best = Annotated[
    bool, typer.Option("--best", help="With the weights of the lowest validation loss, where the recipe keeps them.")
]

PATIENCE = 0.5  # seconds after which somebody who waits wants to know for what


def load_text_with_progress(name: str) -> Corpus:
    """A text by name, file or folder; raises `DataError` as `kqv.data.text.corpora.load_text`."""
    from kqv.cli.data import fetch_with_progress
    from kqv.data.text.corpora import load_text

    if name.lower() == "shakespeare":
        fetch_with_progress(["shakespeare"])
    return load_text(name)


def announce_tokenizer(corpus: Corpus, kind: str) -> None:
    """Before a vocabulary of this kind ("auto" too) is made: fetch GPT-2's with a bar, or say that pairs are learned.

    Raises `DataError` if the download fails.
    """
    from kqv.cli.console import notices
    from kqv.cli.data import fetch_with_progress
    from kqv.data.text.tokenizers import choose_tokenizer

    if kind == "gpt2":
        fetch_with_progress(["gpt2"])
    elif (choose_tokenizer(corpus).kind if kind == "auto" else kind) == "bpe":
        notices.print(f"[dim]learning byte pairs from {_megabytes(corpus.bytes_of('train'))} of text …[/]")


@contextmanager
def tokenizing_bar() -> Iterator[Advance]:
    """A hook for `tokenized` and for `kqv.training.gpt.start`: it draws a bar once half a second has passed.

    Where no bar can be drawn it says one line. The bar goes away at the end, also where something fails.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from kqv.cli.console import notices

    columns = (
        TextColumn("cutting the text into tokens"), BarColumn(), DownloadColumn(),
        TimeRemainingColumn(compact=True), TextColumn("left"),
    )  # fmt: skip
    is_live = notices.is_terminal and not notices.is_dumb_terminal
    progress = Progress(*columns, console=notices, transient=True, disable=not is_live)
    began = time.monotonic()

    def advance(done: int, whole: int) -> None:
        if not progress.tasks:
            if done >= whole or time.monotonic() - began < PATIENCE:
                return
            progress.add_task("", total=whole)
            progress.start()
            if not is_live:
                notices.print(f"cutting {_megabytes(whole)} of text into tokens …")
        progress.update(progress.tasks[0].id, completed=done)
        if done >= whole:
            progress.stop()

    try:
        yield advance
    finally:
        progress.stop()


def tokenized_with_progress(corpus: Corpus, tokenizer: Tokenizer) -> Tokens:
    """The ids of a corpus, with a bar where that takes long; raises as `kqv.data.text.tokens.tokenized`."""
    from kqv.data.text.tokens import tokenized

    with tokenizing_bar() as advance:
        return tokenized(corpus, tokenizer, advance)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
