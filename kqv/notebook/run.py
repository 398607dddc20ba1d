"""The view of a run: what it is, how far it is, its curves and its recipe; it follows the run while it trains."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import numpy as np
import traitlets

from kqv.errors import Error
from kqv.lab.training.watched import BUSY, WatchedRun
from kqv.notebook.asking import jsonable
from kqv.notebook.view import View
from kqv.training.run import Run

SECONDS = 1.0
"""Between two looks at a run that trains."""


class RunView(View):
    """A run in a cell's output; while a process trains it, this one or another, its numbers and curves move."""

    run = traitlets.Dict().tag(sync=True)
    curves = traitlets.Dict().tag(sync=True)

    def __init__(self, run: Run, **choices: Any) -> None:
        self.of = run
        self._watched = WatchedRun(run)
        self._ended = threading.Event()
        self._looking = threading.Lock()
        super().__init__(view="run", **choices, **self._seen())
        if self.run["state"] in BUSY:
            self.follow()

    def _seen(self) -> dict[str, Any]:
        """The run as the view is told of it."""
        self._watched.look()
        described = self._watched.described()
        return {"run": jsonable(described), "curves": {} if described["state"] == "damaged" else self._curves()}

    def _curves(self) -> dict[str, bytes]:
        curves = self._watched.curves().curves
        return {name: np.array(points.all(), dtype="<f4").tobytes() for name, points in curves.items()}

    def look(self) -> None:
        """Tell the view what is new."""
        with self._looking:
            seen = self._seen()
            with self.hold_sync():
                self.curves, self.run = seen["curves"], seen["run"]

    def follow(self) -> None:
        """Look again and again, in a thread of its own, until `rest` or the end of the training."""
        self._ended.clear()
        threading.Thread(target=self._follow, daemon=True, name=f"view of {self.of.path.name}").start()

    def rest(self) -> None:
        """Look a last time, and follow no longer."""
        self._ended.set()
        with suppress(Error, OSError):
            self.look()

    def _follow(self) -> None:
        while not self._ended.wait(SECONDS):
            with suppress(Error, OSError):  # a file that is being replaced
                self.look()

    def close(self) -> None:
        """Remove the view."""
        self._ended.set()
        super().close()
