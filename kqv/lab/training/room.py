"""What the training room keeps while the lab runs: its processes, the runs that it watches, and a thread that looks."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kqv.errors import Error, RunError
from kqv.lab.told import Told
from kqv.lab.training.asked import TrainingAsked, arguments_of, checked
from kqv.lab.training.children import Child, Children
from kqv.lab.training.looks import Looks
from kqv.lab.training.watched import BUSY as AT_WORK
from kqv.lab.training.watched import WatchedRun, starting
from kqv.lab.training.weights import History
from kqv.systems.system import system_named
from kqv.systems.training import run_name
from kqv.training.run import CONFIG, Run, new_path

TOPIC = "training"
BUSY, QUIET = 0.4, 2.0  # seconds between two looks: while something trains, and while nothing does
CURVES, HISTORIES = 8, 4  # of so many runs they are kept in memory
FOLLOWED = 600.0  # seconds for which the weights of a run are followed after somebody looked at them

Publish = Callable[[str, Any], None]


class TrainingRoom:
    """The runs of a folder, and the trainings that were started here.

    `publish(topic, data)` tells the pages what is new: the summary of a run, or that one is gone.
    """

    def __init__(self, folder: Path, publish: Publish, children: Children | None = None, own_data: bool = True) -> None:
        self.folder, self.publish, self.own_data = folder, publish, own_data
        self._told = Told()
        self.children = Children() if children is None else children
        self.looks = Looks()
        self._runs: dict[str, WatchedRun] = {}
        self._opened: OrderedDict[str, None] = OrderedDict()
        self._histories: OrderedDict[str, History] = OrderedDict()
        self._followed: dict[str, float] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="runs")

    def open(self) -> TrainingRoom:
        """Begin to look."""
        self.look()
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop looking, and end the trainings."""
        self._ended.set()
        self.children.close()

    def _watch(self) -> None:
        while not self._ended.is_set():
            busy = False
            with suppress(Error, OSError):  # a folder that cannot be read for a moment
                busy = self.look()
            self._ended.wait(BUSY if busy else QUIET)

    def look(self) -> bool:
        """Look at every run once, and tell what is new; whether something trains."""
        with self._lock:
            names = _runs_in(self.folder)
            for gone in self._runs.keys() - names:
                del self._runs[gone]
                self._tell({"name": gone, "state": "gone"})
            for name in names:
                self._look_at(name)
            self._look_at_beginnings(names)
            self._follow_weights()
            return any(self._is_busy(summary) for summary in self._summaries())

    def _look_at(self, name: str) -> WatchedRun:
        """Look at one run. All looks are taken here: what one of them finds new would otherwise never be told."""
        watched = self._watched(name)
        watched.take(self.children.of(name))
        if watched.look():
            self._tell(watched.summary)
        return watched

    def _tell(self, summary: dict[str, Any]) -> dict[str, Any]:
        told = self._told(summary)
        self.publish(TOPIC, told)
        return told

    def _is_busy(self, summary: dict[str, Any]) -> bool:
        return summary["state"] in AT_WORK

    def _look_at_beginnings(self, names: set[str]) -> None:
        """Trainings whose folders are not whole yet."""
        begun = {}
        for name in self.children.names():
            child = self.children.of(name)
            if child is None or name in names or child.arguments[0] != "train":
                continue
            if child.is_alive or not child.asked_to_stop:
                begun[name] = starting(name, child)
            if not child.is_alive:
                with suppress(OSError):  # it was made for the run, and nothing came into it
                    (self.folder / name).rmdir()
        for name in self._begun.keys() - begun.keys() - names:
            self._tell({"name": name, "state": "gone"})
        for name, summary in begun.items():
            if self._begun.get(name) != summary:
                self._tell(summary)
        self._begun = begun

    def _watched(self, name: str) -> WatchedRun:
        if name not in self._runs:
            self._runs[name] = WatchedRun(Run(self.folder / name), self.children.of(name))
        return self._runs[name]

    def _summaries(self) -> list[dict[str, Any]]:
        return [*self._begun.values(), *(watched.summary for watched in self._runs.values())]

    def summaries(self) -> list[dict[str, Any]]:
        """Every run in short, those that train first, then the one that was trained last."""
        with self._lock:
            self.look()
            found = sorted(self._summaries(), key=lambda one: (not self._is_busy(one), -one.get("changed", 0.0)))
            return [self._told(summary) for summary in found]

    def run(self, name: str) -> WatchedRun:
        """A run by its name; `RunError` for one that is not in the folder."""
        with self._lock:
            if not _is_run(self.folder, name):
                known = ", ".join(sorted(self._runs)[:8])
                there = f"there are: {known}" if known else "there is none yet; start one"
                raise RunError(f"there is no run {name!r} in {self.folder}; {there}")
            watched = self._look_at(name)
            self._opened[name] = None
            self._opened.move_to_end(name)
            while len(self._opened) > CURVES:
                oldest, _ = self._opened.popitem(last=False)
                if oldest in self._runs:
                    self._runs[oldest].forget_curves()
            return watched

    def described(self, name: str) -> dict[str, Any]:
        """All that can be said of a run, also of one that just begins."""
        with self._lock:
            if name in self._begun and not _is_run(self.folder, name):
                return self._begun[name]
            return self.run(name).described()

    def curve(self, name: str, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of one measurement of a run; `RunError` where it has none of that name."""
        with self._lock:
            curves = self.run(name).curves().curves
            if key not in curves:
                raise RunError(f"{name} has no measurement {key!r}; it has: {', '.join(curves) or 'none yet'}")
            return curves[key].all()

    def history(self, name: str) -> History:
        """A run's weights over time, which are followed from now on."""
        with self._lock:
            run = self.run(name).run
            if name not in self._histories:
                self._histories[name] = History(run)
                while len(self._histories) > HISTORIES:
                    self._histories.popitem(last=False)
            self._histories.move_to_end(name)
            self._followed[name] = time.monotonic()
            return self._histories[name]

    def _follow_weights(self) -> None:
        now = time.monotonic()
        for name, watched in self._runs.items():
            if watched.child is not None and watched.child.is_alive and name not in self._histories:
                self.history(name)
        for name, history in self._histories.items():
            if now - self._followed.get(name, 0.0) < FOLLOWED and name in self._runs and history.look():
                self.publish(f"{TOPIC}.weights", {"name": name, "step": history.steps[-1]})

    def start(self, asked: TrainingAsked) -> dict[str, Any]:
        """Start a training; `Error` for what cannot be trained, before anything is started."""
        recipe = checked(asked, self.own_data)
        with self._lock:
            path = new_path(run_name(system_named(asked.system), recipe), self.folder)
            return self._begin(path.name, arguments_of(asked, path), made=path)

    def resume(self, name: str, steps: int | None = None) -> dict[str, Any]:
        """Resume a run that stopped; with more steps a finished one too. `Error` where it cannot be."""
        with self._lock:
            watched = self.run(name)
            state = watched.summary["state"]
            if state in AT_WORK:
                raise Error(f"{name} is being trained already")
            if state == "damaged":
                raise Error(watched.summary["problem"])
            if state == "finished" and steps is None:
                done = watched.summary["step"]
                raise Error(f"{name} is finished: it made {done:,} steps; give more than that to train it further")
            if steps is not None and steps <= watched.summary["saved"]:
                raise Error(f"{name} has made {watched.summary['saved']:,} steps already; give more than that")
            system = watched.run.recipe.system
            further = [] if steps is None else [f"--steps={steps}"]
            return self._begin(name, ["train", system, f"--resume={watched.run.path}", *further])

    def _begin(self, name: str, arguments: list[str], made: Path | None = None) -> dict[str, Any]:
        try:
            child = self.children.start(name, arguments)
        except Error:
            if made is not None:
                with suppress(OSError):
                    made.rmdir()
            raise
        summary = starting(name, child)
        if made is not None:
            self._begun[name] = summary
        return self._tell(summary)

    def stop(self, name: str) -> dict[str, Any]:
        """Ask a training that the lab started to save everything and end; `Error` where it started none."""
        child = self._own(name)
        with self._lock:
            child.stop()
            self.look()  # tells that it stops, before what tells that it has stopped
            gone = {"name": name, "state": "gone"}
            return self._told(next((one for one in self._summaries() if one["name"] == name), gone))

    def _own(self, name: str) -> Child:
        child = self.children.of(name)
        if child is None or not child.is_alive:
            raise Error(f"{name} was not started here, so it is stopped where it was: with Ctrl-C in its terminal")
        return child


def _runs_in(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if _is_run(folder, entry.name)}
    except OSError:
        return set()


def _is_run(folder: Path, name: str) -> bool:
    """Whether a folder inside of this one, and no other path, is a run's."""
    is_name = name not in ("", ".", "..") and os.path.basename(name) == name and "\0" not in name  # noqa: PTH119
    return is_name and os.path.isfile(folder / name / CONFIG)  # noqa: PTH113
