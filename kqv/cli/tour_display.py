"""What all stages of the tour show in the same way: headings, and tensors with their dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from kqv.cli.console import console

if TYPE_CHECKING:
    from kqv.trace.trace import Trace


def heading(number: str, title: str) -> None:
    """A numbered line that begins a part of the tour."""
    console.print(f"\n[bold cyan]{number}  {title}[/]\n")


def show_shapes(trace: Trace, shown: dict[str, str], within: str = "") -> None:
    """The tensors of a trace that are `shown`, with what they are; of those `within` a module without its path."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("name", "dimensions", "what it is"):
        table.add_column(title, no_wrap=title == "name")
    for name, meaning in shown.items():
        table.add_row(name.removeprefix(within), trace[name].shape_text.replace("[", r"\["), f"[dim]{meaning}[/]")
    console.print(table)
