"""A kept trace as a page of its own, to keep or to hand in."""

from __future__ import annotations

import shlex

from kqv.lab.traces.kept import KeptTrace
from kqv.trace.views.page import page_html


def page_of(kept: KeptTrace, word: str | None = None) -> str:
    """The page that `kqv trace --html` writes; of a text, `word` is the one that it begins with.

    Raises `TraceError` for a word that the text has not.
    """
    model = kept.about.get("model")
    command = shlex.join(["kqv", "trace", *([str(model)] if model else []), kept.traced.input])
    return page_html(kept.trace, command=command, word=word, everything=kept.traced.everything)
