"""A run directory is all there is to a training run: recipe, versions, seed, classes, weights, state, metrics.

    config.json              recipe, seed, versions, fingerprint of the data
    classes.json             names of the classes, rows and columns of the pictures
    model.safetensors        the weights
    checkpoint.safetensors   what is needed to go on bit-identically
    metrics.jsonl            one line a measurement
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kqv.errors import Error, RunError
from kqv.files import make_folder, reason, write_json, write_text
from kqv.training.recipes import DigitsRecipe

FORMAT = 1
CONFIG, CLASSES, MODEL, CHECKPOINT, METRICS = (
    "config.json", "classes.json", "model.safetensors", "checkpoint.safetensors", "metrics.jsonl",
)  # fmt: skip
RUNS = Path("runs")


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], classes: dict[str, Any]) -> Run:
        """Make the directory and write what does not change; `Error` where a run or other files stand already."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise Error(f"{path} is not empty; choose another --out, or go on with the run in it: --resume {path}")
        make_folder(path)
        run = cls(path)
        write_json(path / CLASSES, classes)
        write_json(path / CONFIG, {"format": FORMAT, **config})
        return run

    @classmethod
    def find(cls, name: str | Path) -> Run:
        """The run at a path, or of that name in `runs`, or the newest for `latest`; `RunError` lists what exists."""
        if str(name) == "latest":
            runs = list_runs()
            if not runs:
                raise RunError("there is no run yet; make one with: kqv train digits")
            return runs[0]
        for path in (Path(name), RUNS / name):
            if (path / CONFIG).is_file():
                return cls(path)
            if path.is_dir() and any((path / part).exists() for part in (MODEL, CHECKPOINT, METRICS)):
                raise RunError(f"{path} is damaged: {CONFIG} is missing; restore it from a copy, or train again")
        known = ", ".join(str(run.path) for run in list_runs()[:8])
        advice = f"there are: {known}" if known else "there is none yet; make one with: kqv train digits"
        raise RunError(f"there is no run {str(name)!r}; {advice}")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{path} is missing; the run is damaged: restore it from a copy, or train again") from None
        except (OSError, ValueError) as failure:
            what = reason(failure) if isinstance(failure, OSError) else str(failure)
            raise RunError(f"{path} is damaged ({what}); restore it from a copy, or train again") from None
        if not isinstance(content, dict):
            raise RunError(f"{path} is damaged: expected a JSON object; restore it from a copy, or train again")
        return content

    @property
    def config(self) -> dict[str, Any]:
        """All of `config.json`; `RunError` when it is missing, damaged or of a newer format."""
        content = self._json(CONFIG)
        if content.get("format") != FORMAT:
            raise RunError(f"{self.path / CONFIG} has format {content.get('format')!r}; this kqv reads {FORMAT}: update kqv")
        return content

    @property
    def recipe(self) -> DigitsRecipe:
        """The run's recipe."""
        try:
            return DigitsRecipe.model_validate(self.config.get("recipe"))
        except ValidationError as failure:
            first = failure.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RunError(f"{self.path / CONFIG}: recipe.{where}: {first['msg'].lower()}; restore it from a copy") from None

    @property
    def classes(self) -> dict[str, Any]:
        """`classes` (names), `rows` and `columns`."""
        content = self._json(CLASSES)
        if not {"classes", "rows", "columns"} <= content.keys():
            raise RunError(f"{self.path / CLASSES} is damaged: expected classes, rows and columns; restore it from a copy")
        return content

    @property
    def model_file(self) -> Path:
        """The weights."""
        return self.path / MODEL

    @property
    def checkpoint_file(self) -> Path:
        """The state to go on from."""
        return self.path / CHECKPOINT

    def metrics(self) -> Iterator[dict[str, Any]]:
        """All measurements in order; a line that was cut off by a kill is passed over."""
        try:
            lines = (self.path / METRICS).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content

    def add_metrics(self, content: dict[str, Any]) -> None:
        """Append one measurement."""
        try:
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(content) + "\n")
        except OSError as failure:
            raise Error(f"cannot write {self.path / METRICS}: {reason(failure)}") from None

    def cut_metrics(self, step: int) -> None:
        """Drop measurements made after `step`: the run goes on from there and makes them again."""
        kept = [line for line in self.metrics() if line.get("step", 0) <= step]
        write_text(self.path / METRICS, "".join(json.dumps(line) + "\n" for line in kept))


def list_runs(folder: Path = RUNS) -> list[Run]:
    """All runs in a folder, newest first."""
    try:
        found = [path for path in folder.iterdir() if (path / CONFIG).is_file()]
    except OSError:
        return []
    return [Run(path) for path in sorted(found, key=lambda path: (path / CONFIG).stat().st_mtime, reverse=True)]


def new_path(name: str, folder: Path = RUNS) -> Path:
    """A path for a new run: `runs/NAME-1`, or the next number that is free."""
    number = 1
    while (folder / f"{name}-{number}").exists():
        number += 1
    return folder / f"{name}-{number}"
