"""Where commands print: one console for results (standard output), one for progress and notices (standard error)."""

from __future__ import annotations

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
notices = Console(stderr=True, highlight=False, soft_wrap=True)
