"""Loading a text for a command: what has to be downloaded or cut into tokens shows a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kqv.data.text.corpora import Corpus


def load_text_with_progress(name: str) -> Corpus:
    """A text by name, file or folder; raises `DataError` as `kqv.data.text.corpora.load_text`."""
    from kqv.cli.data import fetch_with_progress
    from kqv.data.text.corpora import load_text

    if name.lower() == "shakespeare":
        fetch_with_progress(["shakespeare"])
    return load_text(name)
