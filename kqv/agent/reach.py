"""What an agent can reach: the runs of one folder, the models that it was given, and files of the current folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kqv.errors import Error
from kqv.systems.source import ModelSource, find_model, run_source
from kqv.training.run import Run, list_runs


@dataclass(frozen=True)
class Reach:
    """The folder of `runs`, and further `models` by name or path; nothing else is opened for an agent."""

    runs: Path
    models: tuple[str, ...] = ()

    def list(self) -> list[Run]:
        """The runs, the most recent first."""
        return list_runs(self.runs)

    def source(self, name: str) -> ModelSource:
        """A model by the name of its run (or `latest`), or as it was given. Raises `Error` for any other."""
        if name in self.models:
            return find_model(name)
        runs = self.list()
        found = runs[:1] if name == "latest" else [run for run in runs if name in (run.path.name, str(run.path))]
        if not found:
            known = ", ".join([*self.models, *(run.path.name for run in runs)][:8]) or f"none yet; {self.runs} is empty"
            raise Error(f"there is no model {name!r} here; there are: {known}")
        return run_source(found[0])

    def folder(self, name: str) -> Path:
        """A folder among the runs, such as a comparison's. Raises `Error` for a path that leads out of them."""
        root = self.runs.resolve()
        path = (self.runs / Path(name).name).resolve()
        if path.parent != root or not path.is_dir():
            there = ", ".join(sorted(one.name for one in root.glob("*/") if one.is_dir())[:8]) if root.is_dir() else ""
            raise Error(f"{self.runs} has no folder {name!r}; it has: {there or 'none'}")
        return path

    def input(self, text: str | None) -> str | None:
        """What a model is to look at. Raises `Error` where that is a file outside of the current folder."""
        if text is not None and len(text) < 4096 and "\0" not in text and os.path.lexists(text):
            path, here = Path(text).resolve(), Path.cwd().resolve()
            if not path.is_relative_to(here):
                raise Error(f"{text} is outside of {here}; only files in there are read")
        return text


def of_words(runs: Path, models: Sequence[str]) -> Reach:
    """The reach that a command line names. Raises `Error` for a model that is not there."""
    for name in models:
        find_model(name)
    return Reach(runs, tuple(models))
