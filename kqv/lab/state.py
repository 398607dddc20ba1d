"""What lives as long as the lab: its models, its traces, its events, and what has to be ended with it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kqv.errors import Error, RunError
from kqv.lab.events import Events
from kqv.lab.settings import Settings
from kqv.lab.traces.kept import Traces
from kqv.systems.source import ModelSource, find_model
from kqv.systems.system import kind_named
from kqv.training.run import Run, list_runs

FETCHED = "smollm2"
"""The model that a button fetches."""

KEPT = 3
"""So many loaded models are kept."""


@dataclass(frozen=True)
class Named:
    """A model that the lab can load: its name in the page, its system or kind, and, of a run, its recipe."""

    name: str
    system: str
    recipe: str | None = None


class Models:
    """The models of the runs' folder, and those that the lab was started with; a page can name no other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loaded: OrderedDict[tuple[str, float], Any] = OrderedDict()
        self._files: dict[str, ModelSource] = {}
        self._lock = threading.Lock()

    def names(self, *systems: str) -> list[Named]:
        """All, or those of some systems: given ones first, then runs, the newest first."""
        found = []
        for name in self.settings.models:
            with suppress(Error):
                found.append(_named(name, self._found(name)))
        for run in list_runs(self.settings.runs):
            with suppress(Error):  # a damaged run; `kqv runs` says what is wrong with it
                if run.model_file.is_file():
                    found.append(Named(run.path.name, run.recipe.system, getattr(run.recipe, "name", None)))
        return [model for model in found if not systems or model.system in systems]

    def source(self, name: str) -> ModelSource:
        """Where a model is; `RunError` for a name that is not among the lab's."""
        if name in self.settings.models or name == FETCHED:
            return self._found(name)
        for run in list_runs(self.settings.runs):
            if run.path.name == name:
                return ModelSource(name, run.path, run)
        known = ", ".join(model.name for model in self.names()[:8]) or "none yet"
        raise RunError(f"the lab has no model {name!r}; it has: {known}")

    def _found(self, name: str) -> ModelSource:
        """A model that was given; where its files are is looked up once, since their checksums take a second."""
        if name in self._files and self._files[name].path.exists():
            return self._files[name]
        source = find_model(name)
        if source.run is None:
            self._files[name] = source
        return source

    def run(self, name: str) -> Run:
        """A run of the folder by its name; `RunError` for one that is not there."""
        return self.source(name).require_run("the lab needs its recipe and its measurements")

    def get(self, name: str) -> Any:
        """A loaded model, as `kqv.load` gives it, and kept: whoever changes it (a trace does) takes a copy.

        One that was trained further meanwhile is loaded anew.
        """
        source = self.source(name)
        key = (name, 0.0 if source.run is None else source.run.changed)
        with self._lock:  # one at a time: two pages that ask for one model load it once
            if key not in self._loaded:
                self._loaded[key] = kind_named(source.system).load(source, False)
            self._loaded.move_to_end(key)
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
            return self._loaded[key]


def _named(name: str, source: ModelSource) -> Named:
    recipe = None if source.run is None else getattr(source.run.recipe, "name", None)
    return Named(name, source.system, recipe)


@dataclass
class Lab:
    """All of it. `closing`: what is called when the lab stops, the last one first."""

    settings: Settings
    models: Models
    events: Events = field(default_factory=Events)
    traces: Traces = field(default_factory=Traces)
    closing: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings) -> Lab:
        """A lab that has loaded nothing yet."""
        return cls(settings, Models(settings))

    @property
    def runs_folder(self) -> Path:
        """The folder whose runs it shows, and where it makes new ones."""
        return self.settings.runs

    def close(self) -> None:
        """End the pages' streams, and what still runs."""
        self.events.close()
        while self.closing:
            self.closing.pop()()
