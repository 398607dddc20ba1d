"""What a command shows of what takes long: downloads, learning a vocabulary, cutting texts, translating."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from kqv.cli.console import notices
from kqv.cli.data import DownloadBars
from kqv.data.text.tokens import Advance
from kqv.systems.system import Watcher

MUCH = 1_000_000_000  # bytes of memory that somebody wants to know of before they are taken
PATIENCE = 0.5  # seconds after which somebody who waits wants to know for what


class TerminalWatcher(Watcher):
    """Bars and lines on standard error, until the `with` ends."""

    def __init__(self) -> None:
        self._bars = DownloadBars()
        self.downloading = self._bars.bar

    def __enter__(self) -> TerminalWatcher:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bars.__exit__()

    def learning_tokenizer(self, text_bytes: int) -> None:
        notices.print(f"[dim]learning byte pairs from {_megabytes(text_bytes)} of text …[/]")

    def tokenizing(self) -> AbstractContextManager[Advance | None]:
        """A bar of bytes; one line where no bar can be drawn."""
        line = "cutting {} of text into tokens …"
        return _bar("cutting the text into tokens", DownloadColumn(), lambda whole: line.format(_megabytes(whole)))

    def translating(self) -> AbstractContextManager[Advance | None]:
        """A bar of sentences; one line where no bar can be drawn."""
        return _bar("translating", MofNCompleteColumn(), lambda whole: f"translating {whole:,} sentences …")

    def tracing(self, size: int, whole: bool) -> None:
        if size >= MUCH:
            less = "; one number alone, by --cell, takes less" if whole else ""
            notices.print(f"[dim]this trace takes about {size / 1e9:,.1f} GB of memory{less}[/]")


@contextmanager
def _bar(title: str, counter: ProgressColumn, line: Callable[[int], str]) -> Iterator[Advance]:
    """A bar once half a second has passed, which goes away at the end; the `line` where no bar can be drawn."""
    columns = (TextColumn(title), BarColumn(), counter, TimeRemainingColumn(compact=True), TextColumn("left"))
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
                notices.print(line(whole))
        progress.update(progress.tasks[0].id, completed=done)
        if done >= whole:
            progress.stop()

    try:
        yield advance
    finally:
        progress.stop()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
