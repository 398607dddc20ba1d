"""A run while it is written: its folder is held open and locked, so that nothing lands in one that took its path."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from kqv.errors import Error, RunError
from kqv.files import json_text, make_folder
from kqv.files.directory import Directory, LockedError
from kqv.files.temporary import new_file
from kqv.tensors import Tensors, write_tensors
from kqv.training.checkpoint import Checkpoint
from kqv.training.lines import Line, measurement, records, sample, written
from kqv.training.run import BEST, CHECKPOINT, CONFIG, MADE, METRICS, MODEL, SAMPLES, TEACHER, UNFINISHED, Config, Run

LOOKING = (0.005, 0.02, 0.05)
"""Seconds to wait for those who only look whether a run is trained."""


class HeldRun:
    """The files of a run that is held; each is written atomically, or is a line that is added.

    Every method raises `Error` in one line where the disk refuses, and `MovedError` where the folder is gone.
    """

    def __init__(self, run: Run, directory: Directory, config: Config, is_new: bool = False) -> None:
        self.run, self.directory, self.is_new = run, directory, is_new
        self.identity, self.system = config.identity, config.recipe.system
        self._descriptions: dict[str, bytes] = {}

    def remember_descriptions(self) -> None:
        """Remember the files that do not change while training, to write them again should they be removed."""
        names = [
            name for name in self.directory.names() if name == TEACHER or (name.endswith(".json") and name[0] != ".")
        ]
        contents = {name: self.directory.read(name) for name in names}
        self._descriptions = {name: content for name, content in contents.items() if content is not None}

    def write_config(self, config: Config) -> None:
        """Write `config.json`. This makes the directory a run, so at the start it comes after everything else."""
        self._write(CONFIG, json_text(config.model_dump(mode="json")).encode("utf-8"))
        self.remember_descriptions()

    def write_weights(self, weights: Tensors, best: bool = False) -> None:
        """Write the last weights, or those with the best validation score; and again what was removed of the files
        that a run cannot be used without."""
        found = self.directory.names()
        for name in self._descriptions.keys() - set(found):
            self._write(name, self._descriptions[name])
        path = self.run.path / (BEST if best else MODEL)
        write_tensors(path, weights, {}, run=self.identity, directory=self.directory)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the state to resume from."""
        checkpoint.write(self.run.path / CHECKPOINT, self.identity, self.directory)

    def add_metrics(self, content: Line) -> None:
        """Append one measurement."""
        self.directory.append(METRICS, written(content))

    def add_sample(self, content: Line) -> None:
        """Append what the model wrote."""
        self.directory.append(SAMPLES, written(content))

    def cut(self, step: int) -> None:
        """Drop measurements and samples made after `step`, and half lines: the run resumes from there and makes them
        again; and what killed writers left."""
        self.directory.remove_leftovers()
        self._cut(METRICS, step, measurement)
        if SAMPLES in self.directory.names():
            self._cut(SAMPLES, step, sample)

    def require_unchanged(self, identity: str | None, step: int) -> None:
        """Raise `RunError` unless it is still the run of an identity, saved at a step: between reading and holding it,
        another process may have trained it, or put another one in its place."""
        found = self.identity, Checkpoint.read_counters(self.run.checkpoint_file).step
        if found != (identity, step) or not self.directory.is_in_place:
            raise RunError(f"{self.run.path} was changed by another process in the meantime; start again")

    def whereabouts(self, step: int) -> str | None:
        """Where the run is and how it is resumed, if its path does not lead to it any more; None if it does."""
        if self.directory.is_in_place:
            return None
        path, found = self.run.path, self.directory.now_at
        if found is None:
            return f"{path} was removed while it was trained, or moved to another disk; nothing more can be saved in it"
        return (
            f"{path} was moved to {found} while it was trained; the state of step {step:,} is saved there: "
            f"kqv train {self.system} --resume {found}"
        )

    def _write(self, name: str, content: bytes) -> None:
        with self.directory.replaced(name) as file:
            file.write(content)

    def _cut(self, name: str, step: int, of: Callable[[str], Line | None]) -> None:
        with self.directory.opened(name) as before, self.directory.replaced(name) as file:
            for record in records(before, of):
                if record["step"] <= step:
                    file.write(written(record).encode("utf-8"))


@contextmanager
def held(run: Run) -> Iterator[HeldRun]:
    """Hold a run and keep other processes from training it; `RunError` when another one trains it.

    The system unlocks it when this process ends, however it does. Where it has no such locks, nothing is kept away.
    """
    with _locked(run) as directory:
        files = HeldRun(run, directory, run.config)
        files.remember_descriptions()
        yield files


@contextmanager
def made(run: Run, config: Config) -> Iterator[HeldRun]:
    """Make a run's directory; what is written inside the `with` is all of a new run, or removed again when that fails.

    The configuration comes last; until then a marker says that the run is being made. Raises `Error` as
    `Run.require_free`, and when another process makes a run there.
    """
    make_folder(run.path)
    with _locked(run) as directory:
        run.require_free()
        handle, marker = new_file(run.path / UNFINISHED, directory.handle)
        directory.remove_leftovers()
        directory.remove(*MADE)  # of one that was killed while it was made
        files = HeldRun(run, directory, config, is_new=True)
        try:
            yield files
            files.write_config(config)
            if not directory.is_in_place:
                raise Error(f"{run.path} was moved while the run was made; start again")
        except BaseException:
            directory.remove(CONFIG, *MADE)
            raise
        finally:
            os.close(handle)
            directory.remove(marker)


def _lock(directory: Directory) -> None:
    """Lock it; after a moment's patience, since who only looks whether it is trained holds it for as long."""
    for wait in LOOKING:
        with suppress(LockedError):
            directory.lock()
            return
        time.sleep(wait)
    try:
        directory.lock()
    except LockedError:
        raise RunError(f"another process is training {directory.path}; wait for it, or stop it") from None


@contextmanager
def _locked(run: Run) -> Iterator[Directory]:
    directory = Directory(run.path)
    try:
        _lock(directory)
        yield directory
    finally:
        directory.close()
