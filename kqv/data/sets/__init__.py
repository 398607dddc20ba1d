"""Data sets, one file each: what the set is and where its files are, and what reads it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from kqv.data.sets.table import PARALLEL, PICTURES, SOURCES, TEXTS, File, Read, Source, add, listed

__all__ = ["PARALLEL", "PICTURES", "SOURCES", "TEXTS", "File", "Read", "Source", "add", "listed"]

for _file in iter_modules(__path__):  # each file that holds a set adds it to the tables
    import_module(f"{__name__}.{_file.name}")
