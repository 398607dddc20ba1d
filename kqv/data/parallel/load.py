"""Loading parallel text by its name or from files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, get_args

from kqv.data.parallel.files import lines_of, read_tsv, read_two
from kqv.data.parallel.pairs import Form, Pair, Pairs, ParallelText, Wanted, hold_out
from kqv.data.sets import PARALLEL
from kqv.data.sources import Progress, read
from kqv.errors import DataError
from kqv.files.reading import read_bytes

Location: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A set's name, a TSV, or two files."""


def load_parallel(
    data: Location,
    *,
    source: str | None = None,
    target: str | None = None,
    form: Form = "raw",
    validation: Location | None = None,
    test: Location | None = None,
    quantity: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ParallelText:
    """The parallel text called `data` (of `PARALLEL`: "multi30k"), or that of a TSV or of two files.

    A named set is German to English unless `source` or `target` asks for the other direction; `quantity` and `seed` are
    for one that is generated. Of own files the first, or the first column, is the source; `source` and `target` name
    their languages (else the files' suffixes do) and `form` says what they hold. Without `validation` or `test`, 5 % of
    the distinct sentences (at least 1, at most 1,000) are held out for it, by the hash of the source sentence.

    Raises `DataError`: unknown name, language or form, failed download, files that are wrong (with file and line) or
    too short, and options that do not belong to the data.
    """
    if form not in get_args(Form):
        raise DataError(f"no form of text is called {form!r}; give {' or '.join(get_args(Form))}")
    if isinstance(data, str) and data.strip().lower() in PARALLEL:
        name = data.strip().lower()
        if validation is not None or test is not None:
            raise DataError(f"{name} has its own validation and test pairs; give none")
        text = PARALLEL[name](lambda file: read(name, file, progress), Wanted(form, quantity, seed))
        return _in_direction(text, source, target)
    if quantity is not None:
        raise DataError("a quantity is for pairs that are generated; own files are taken whole")
    train, skipped = _read(data)
    given = [_read(one) if one is not None else None for one in (validation, test)]
    wanting = given.count(None)
    if len({sentence for sentence, _ in train}) <= wanting:
        raise DataError(
            f"{_title(data)} has {len(train)} pairs, too few to train on and to hold some out; give more sentences"
        )
    first, *held = hold_out(train, wanting)
    splits: list[Pairs] = [tuple(one[0]) if one is not None else held.pop(0) for one in given]
    skipped += sum(one[1] for one in given if one is not None)
    languages = languages_of(data)
    return ParallelText(
        _title(data), source or languages[0], target or languages[1], first, splits[0], splits[1], form, skipped
    )


def load_whole(data: Location) -> tuple[Pairs, list[int]]:
    """All pairs of a TSV or of two files, none held out, and the line on which each stands, from 1.

    Raises `DataError` as `load_parallel` does for files.
    """
    pairs, _ = _read(data)
    first = _paths(data)[0]
    lines = enumerate(lines_of(read_bytes(first), str(first)), 1)
    return tuple(pairs), [number for number, line in lines if line.strip()]


def _in_direction(text: ParallelText, source: str | None, target: str | None) -> ParallelText:
    """`text` or its reverse, whichever has these languages."""
    for one in (text, text.reversed()):
        if source in (None, one.source) and target in (None, one.target):
            return one
    raise DataError(
        f"{text.name} has no direction from {source or 'any'} to {target or 'any'}; its languages are"
        f" {text.source} and {text.target}"
    )


def _paths(data: Location) -> list[Path]:
    given = [data] if isinstance(data, str | os.PathLike) else data
    return [Path(os.path.expanduser(one)) for one in given]  # noqa: PTH111 - Path raises where there is no such user


def _read(data: Location) -> tuple[list[Pair], int]:
    paths = _paths(data)
    if len(paths) not in (1, 2):
        raise DataError(f"expected one TSV or two files of sentences, found {len(paths)} paths")
    for path in paths:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are not allowed
            raise DataError(
                f"no parallel text is called {str(path)!r}, and no file is there; give {', '.join(PARALLEL)}, a TSV, or"
                " two files"
            )
    pairs, skipped = read_tsv(paths[0]) if len(paths) == 1 else read_two(*paths)
    if not pairs:
        raise DataError(f"{_title(data)} has no sentences; give files that have some")
    return pairs, skipped


def _title(data: Location) -> str:
    return " and ".join(path.name for path in _paths(data))


def languages_of(data: Location) -> tuple[str, str]:
    """Languages of files by their suffixes: train.de and train.en are de and en; else "source" and "target"."""
    suffixes = [path.suffix.removeprefix(".") for path in _paths(data)]
    if len(suffixes) == 2 and all(suffixes) and suffixes[0] != suffixes[1]:
        return suffixes[0], suffixes[1]
    return "source", "target"
