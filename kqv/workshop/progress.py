"""How far a learner has come: one small JSON file in their folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kqv.errors import DataError, Error
from kqv.files import make_folder, reason, write_json
from kqv.files.reading import read_text
from kqv.workshop.catalogue import exercises, names
from kqv.workshop.desk import option

FILE = "progress.json"

State = Literal["not begun", "begun", "passed"]


class Record(BaseModel):
    """What is remembered of one exercise."""

    model_config = ConfigDict(extra="ignore")

    checks: int = Field(default=0, ge=0)
    hints: int = Field(default=0, ge=0, le=3)
    passed: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """SHA-256 of the file that passed last; nothing where none has."""
    accuracy: float | None = Field(default=None, ge=0, le=1)
    data: str = ""


class Progress(BaseModel):
    """The records of all exercises that were begun, by name."""

    model_config = ConfigDict(extra="ignore")

    exercises: dict[str, Record] = {}

    def of(self, name: str) -> Record:
        """The record of an exercise, to be changed; a new one where it was not begun."""
        return self.exercises.setdefault(name, Record())

    def state(self, name: str, folder: Path) -> State:
        """Passed once is passed; begun where the learner's file is there."""
        if self.exercises.get(name, Record()).passed:
            return "passed"
        return "begun" if (folder / f"{name}.py").exists() else "not begun"

    def next_one(self, folder: Path) -> str | None:
        """The first exercise that is not passed; None where all are."""
        return next((name for name in names() if self.state(name, folder) != "passed"), None)


def read(folder: Path) -> Progress:
    """The progress in a folder; empty where there is none.

    Raises `DataError` for a damaged file: what it holds is kept until the learner says what to do.
    """
    path = folder / FILE
    try:
        return Progress.model_validate(json.loads(read_text(path)))
    except FileNotFoundError:
        return Progress()
    except OSError as failure:
        raise Error(f"{path} cannot be read: {reason(failure)}") from None
    except (ValueError, RecursionError):  # no JSON, or (pydantic's ValidationError) no progress
        raise DataError(
            f"{path} is damaged; `kqv rebuild repair{option(folder)}` sets it aside and checks your files again"
        ) from None


def write(folder: Path, progress: Progress) -> None:
    """Write the progress atomically."""
    make_folder(folder)
    write_json(folder / FILE, progress.model_dump())


def set_aside(folder: Path) -> Path | None:
    """Move a progress file away to a free name beside it; None where there is none."""
    path = folder / FILE
    if not os.path.lexists(path):
        return None
    taken = [int(m[1]) for other in folder.iterdir() if (m := re.fullmatch(r"progress\.old-(\d+)\.json", other.name))]
    old = path.with_name(f"progress.old-{max(taken, default=0) + 1}.json")
    path.rename(old)
    return old


def summary(progress: Progress, folder: Path) -> dict[str, Any]:
    """The progress for JSON: every exercise with its state, and which comes next."""
    records = [
        {"name": name, "title": exercise.title, "state": progress.state(name, folder)}
        | progress.exercises.get(name, Record()).model_dump(include={"checks", "hints", "accuracy", "data"})
        for name, exercise in exercises().items()
    ]
    return {"exercises": records, "next": progress.next_one(folder)}
