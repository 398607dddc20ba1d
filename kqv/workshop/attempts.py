"""A learner's attempts: what they wrote is kept, checked and trained with, and how it went is remembered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.files import make_folder, reason, write_text
from kqv.files.reading import read_bytes
from kqv.workshop import progress
from kqv.workshop.catalogue import exercise
from kqv.workshop.checking import check, require_file
from kqv.workshop.desk import file_of, option, set_aside
from kqv.workshop.findings import Report
from kqv.workshop.progress import Progress
from kqv.workshop.template import template
from kqv.workshop.training import Trained, train


def checked(name: str, folder: Path) -> tuple[Report, Progress]:
    """Check a learner's file and remember how it went. Raises `Error` where there is no such exercise or file."""
    known, path = progress.read(folder), file_of(folder, name)
    digest = require_file(name, path)
    report = check(name, path)
    record = known.of(path.stem)
    record.checks += 1
    record.passed = digest if report.passed else record.passed
    progress.write(folder, known)
    return report, known


def trained(
    name: str, folder: Path, known: Progress, data: str | None = None, epochs: int | None = None,
    heard: Callable[[dict[str, Any]], None] | None = None, wanted: Callable[[], bool] = lambda: True,
) -> Trained:  # fmt: skip
    """Train with a learner's functions and remember the accuracy; `heard` and `wanted` as `kqv.workshop.training`."""
    found = train(name, file_of(folder, name), data, epochs, heard, wanted=wanted)
    record = known.of(name)
    record.accuracy, record.data = found.accuracy, found.data
    progress.write(folder, known)
    return found


def next_hint(name: str, folder: Path) -> int:
    """Give the next hint of an exercise away; how many are known then."""
    chosen, known = exercise(name), progress.read(folder)
    record = known.of(chosen.name)
    record.hints = min(len(chosen.hints), record.hints + 1)
    progress.write(folder, known)
    return record.hints


def read(name: str, folder: Path) -> tuple[str, str]:
    """What the learner's file has, and its SHA-256; the template and `""` where there is none yet."""
    path = file_of(folder, name)
    try:
        content = read_bytes(path)
        return content.decode("utf-8-sig"), hashlib.sha256(content).hexdigest()
    except FileNotFoundError:
        return template(exercise(name), option(folder)), ""
    except UnicodeDecodeError:
        raise Error(f"{path} is not text in UTF-8; save it as that") from None
    except OSError as failure:
        raise Error(f"{path} cannot be read: {reason(failure)}") from None


def save(name: str, folder: Path, text: str, before: str) -> tuple[str, Path | None]:
    """Write what the learner wrote, atomically; its SHA-256, and where another version is kept, if there was one.

    `before`: the SHA-256 of the version that it was made from. Where the file is another one by now, since somebody
    else wrote it, that is moved aside and kept.
    """
    path, there = file_of(folder, name), read(name, folder)[1]
    try:
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    except UnicodeEncodeError:
        raise Error("that is not text: half of a character is missing; nothing was saved") from None
    if there == digest:
        return digest, None
    kept = set_aside(path) if os.path.lexists(path) and there != before else None
    make_folder(folder)
    write_text(path, text)
    return digest, kept


def as_dict(report: Report, found: Trained | None = None) -> dict[str, Any]:
    """A check, and a training where there was one, for JSON."""
    functions = [asdict(verdict) | {"passed": verdict.passed} for verdict in report.verdicts]
    content = {"exercise": report.exercise, "passed": report.passed, "functions": functions, "printed": report.printed}
    if report.finding is not None:
        content["finding"] = asdict(report.finding)
    if found is not None:
        content |= {"accuracy": found.accuracy, "data": found.data, "tested": found.tested}
    return content
