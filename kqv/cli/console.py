"""Where commands print: one console for results (standard output), one for progress and notices (standard error)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from kqv.visible import visible

IS_ONE_OF_SEVERAL = os.environ.get("WORLD_SIZE", "1").strip() not in ("", "0", "1")
"""Whether torchrun started more than one."""

IS_FIRST = not IS_ONE_OF_SEVERAL or os.environ.get("RANK", "0") == "0"
"""False in all but the first of the processes that torchrun started: those print nothing."""

PROXIED = "rich_proxied_file"
PIPE_SIZE = ConsoleDimensions(80, 25)
FOLDED = 6  # characters in a line of a column whose words may be broken, at least

_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s;,'"`])+"""
_PIECE = re.compile(rf"\S*`[^`]*`\S*|[(\[]?kqv [a-z]+(?: {_WORD})*\S*|\S+")
"""What is never broken: what stands between backquotes, a command, a word."""


def shown(name: object) -> str:
    """A foreign string inside of marked-up text: neither its control characters nor its brackets mean anything."""
    return escape(visible(str(name)))


def fitted(text: Text, width: int) -> Text:
    """The text with its long lines wrapped at words, further lines indented as the first; commands stay whole."""
    lines = text.split("\n", allow_blank=True)
    return Text("\n").join(part for line in lines for part in _wrapped(line, width))


def _wrapped(line: Text, width: int) -> Iterator[Text]:
    plain = line.plain
    if cell_len(plain) <= width:
        yield line
        return
    indent = Text(" " * (len(plain) - len(plain.lstrip(" "))))
    pieces = [found.span() for found in _PIECE.finditer(plain)]
    start, end = pieces[0] if pieces else (0, 0)
    for first, last in pieces:
        if first > start and len(indent) + cell_len(plain[start:last]) > width:
            yield indent + line[start:end]
            start = first
        end = last
    yield indent + line[start:end]


class Screen(Console):
    """A console of any width: text is wrapped at words, never inside a command; a table's columns that may not be
    wrapped, such as paths, are never cut; foreign strings cannot steer the terminal. A pipe has 80 columns."""

    def __init__(self, file: IO[str] | None = None, width: int | None = None) -> None:
        super().__init__(file=file, width=width, highlight=False, emoji=False, quiet=not IS_FIRST)
        self._width = width  # rich keeps what COLUMNS was at this moment; here it is read when it is asked for

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        """Columns and rows: the terminal's, or those that the environment asks for."""
        if self._width is not None:
            return super().size
        size, asked = super().size if self.is_terminal else PIPE_SIZE, os.environ.get("COLUMNS", "")
        return size._replace(width=int(asked)) if asked.isdecimal() and int(asked) > 0 else size

    def render_str(self, text: str, **options: Any) -> Text:
        """Marked-up text as rich's, with nothing in it that a terminal obeys."""
        return super().render_str(visible(text, keep="\n\t"), **options)

    def needs(self, table: Table) -> int:
        """How many columns a table needs so that nothing of it is cut; a column that folds is broken within words."""
        wide, spare = self.options.update_width(10_000), 0
        for column in table.columns:
            cells = [self.measure(cell, options=wide) for cell in (column.header, *column.cells)]
            if column.no_wrap:
                column.min_width = max(cell.maximum for cell in cells)
            elif column.overflow == "fold":
                spare += max(0, max(cell.minimum for cell in cells) - FOLDED)
        return self.measure(table, options=wide).minimum - spare

    def fits(self, table: Table) -> bool:
        """Whether a table can be shown with nothing of it cut."""
        return self.needs(table) <= self.width

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts and tables so that they fit; with `soft_wrap` a text as it is, such as code."""
        if len(objects) == 1 and isinstance(objects[0], Table):
            if not self.fits(objects[0]):
                objects[0].width = self.needs(objects[0])  # the terminal breaks the lines then, and a copy is whole
            super().print(objects[0], **options, crop=False)
            return
        marked = options.pop("markup", True)
        texts = [self.render_str(one, markup=marked) if isinstance(one, str) else one for one in objects]
        if not options.get("soft_wrap"):
            texts = [fitted(one, self.width) if isinstance(one, Text) else one for one in texts]
        super().print(*texts, **options | {"soft_wrap": True})

    def on_broken_pipe(self) -> None:
        """The reader of our output went away: the command line knows what to do."""
        raise BrokenPipeError


class _Notices:
    """Standard error as it is now; where nothing can be written to it, nothing is: what is only shown may not end
    what it is about."""

    @property
    def _stream(self) -> Any:
        return getattr(sys.stderr, PROXIED, sys.stderr)  # while a bar is drawn, what is behind rich's stand-in

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # a full disk, a closed terminal, a closed file
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        if name == PROXIED:
            raise AttributeError(name)
        return getattr(self._stream, name)


def _forget_strange_sizes() -> None:
    """Take COLUMNS and LINES out of the environment where they are no size of a terminal: rich takes "²" for a number,
    and 10³⁰ columns for possible."""
    for name in ("COLUMNS", "LINES"):
        text = os.environ.get(name, "")
        if not (text.isascii() and text.isdecimal() and len(text) < 5):
            os.environ.pop(name, None)


_forget_strange_sizes()  # rich reads them when a console is made
console = Screen()
notices = Screen(file=cast("IO[str]", _Notices()))


def open_closed_streams() -> None:
    """Let what is written to a closed standard stream (`kqv runs >&-`) vanish.

    Python has None in its place; and the next file that is opened would get the stream's number, and with it what
    libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", errors="replace"))


def say_commands(commands: dict[str, str]) -> None:
    """Commands to copy, each whole on a line, with what they are for beside them, or where that does not fit below."""
    wide = max(map(cell_len, commands))
    beside = 2 + wide + 2 + max(map(cell_len, commands.values())) <= console.width
    for command, purpose in commands.items():
        between = " " * (wide - cell_len(command) + 2) if beside else "\n      "
        console.print(Text.assemble("  ", (command, "bold"), between, (purpose, "dim")))


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 step, 2,000 steps."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
