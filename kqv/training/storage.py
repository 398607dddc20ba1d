"""Where a training is saved: the run's files, held while it is trained, and what the disk's refusal leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kqv.errors import Error
from kqv.training.held import HeldRun, held
from kqv.training.run import Run
from kqv.training.stops import Lost, Stopped, Unsaved

REST = 19
"""Saving is followed by so many times its own duration before a state is saved again."""


class Storage:
    """A run's files for the time of a training, and which step's state is saved in them; `every` so many seconds a
    state is to be saved."""

    def __init__(self, run: Run, every: float) -> None:
        self.run, self.every = run, every
        self.saved = 0
        self.saved_at = 0.0
        self.took = 0.0
        self.identity: str | None = None
        self._files: HeldRun | None = None

    @property
    def due_at(self) -> float:
        """When the state is to be saved again, by the clock `time.monotonic`: not so soon that saving would take more
        than a twentieth of the time, unless each step is to be saved."""
        return self.saved_at + (max(self.every, REST * self.took) if self.every else 0)

    @property
    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self.due_at

    def note_saved(self, step: int, began: float) -> None:
        """The state of a step was saved just now; that `began` by the clock `time.monotonic`."""
        self.saved, self.saved_at = step, time.monotonic()
        self.took = self.saved_at - began

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the run while it is trained; `Lost` in the end where its path does not lead to it any more."""
        with held(self.run) as files:
            files.require_unchanged(self.identity, self.saved)
            try:
                with self.writing_to(files):
                    yield
            except Stopped:
                self._require_in_place(files)
                raise
            self._require_in_place(files)

    @contextmanager
    def writing_to(self, files: HeldRun) -> Iterator[None]:
        """Inside the `with`, what is saved goes to a run that is held."""
        self._files, self.identity = files, files.identity
        try:
            yield
        finally:
            self._files = None

    @contextmanager
    def writing(self) -> Iterator[HeldRun]:
        """The run's files; the disk's refusal as `Unsaved`, which says what is kept."""
        assert self._files is not None, "files are only written while the run is held"
        try:
            yield self._files
        except Error as failure:
            if self._files.is_new:  # nothing of it is kept
                raise
            self._require_in_place(self._files)
            kept = f"the state of step {self.saved:,} is kept in {self.run.path}"
            raise Unsaved(f"{failure}; {kept}", self.saved) from None

    def _require_in_place(self, files: HeldRun) -> None:
        found = files.whereabouts(self.saved)
        if found is not None:
            raise Lost(found, self.saved) from None
