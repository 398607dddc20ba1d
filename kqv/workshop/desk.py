"""The learner's folder: writing a template, putting it back, and never losing what the learner wrote."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from kqv.errors import Error
from kqv.files import make_folder, reason, write_text
from kqv.workshop.catalogue import exercise, require
from kqv.workshop.template import template

DEFAULT = Path("rebuild")


def option(folder: Path) -> str:
    """What a command line needs behind it to find this folder."""
    return "" if folder == DEFAULT else f" --folder {shlex.quote(str(folder))}"


def file_of(folder: Path, name: str) -> Path:
    """Where the learner's file for an exercise is. Raises `Error` for an unknown exercise."""
    return folder / f"{require(name)}.py"


def begin(folder: Path, name: str) -> tuple[Path, bool]:
    """The learner's file, and whether it was written now: one that is there already is left as it is."""
    path = file_of(folder, name)
    if os.path.lexists(path):
        return path, False
    make_folder(folder)
    write_text(path, template(exercise(name), option(folder)))
    return path, True


def reset(folder: Path, name: str) -> tuple[Path, Path | None]:
    """Put the template back; what was there is kept next to it. Gives the file, and where the old one is now."""
    path = file_of(folder, name)
    kept = None
    if os.path.lexists(path):
        kept = set_aside(path)
    else:
        make_folder(folder)
    write_text(path, template(exercise(name), option(folder)))
    return path, kept


def set_aside(path: Path) -> Path:
    """Move a file to the first free of NAME.old.py, NAME.old-2.py, …, and give its new path."""
    number = 1
    while os.path.lexists(old := path.with_name(f"{path.stem}.old{f'-{number}' if number > 1 else ''}.py")):
        number += 1
    try:
        path.rename(old)
    except OSError as failure:
        raise Error(f"cannot rename {path} to {old.name}: {reason(failure)}; it is unchanged") from None
    return old
