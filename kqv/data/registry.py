"""The table of all data sources, whole: each set of `kqv.data.sets` has put itself in."""

from __future__ import annotations

from kqv.data.sets import SOURCES, File, Source

__all__ = ["SOURCES", "File", "Source"]
