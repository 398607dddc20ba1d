"""A training with a learner's functions, watched by every page: one at a time, in a limited process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kqv.errors import Error
from kqv.workshop import attempts, progress
from kqv.workshop.catalogue import exercise

TOPIC = "exercises.training"

State = dict[str, Any]


class LearnersTraining:
    """The training that runs, or the last one; `publish(topic, state)` tells the pages whenever something happens."""

    def __init__(self, publish: Callable[[str, State], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._state: State | None = None

    @property
    def state(self) -> State | None:
        """Of which exercise, whether it runs, its epochs so far, and how it ended."""
        with self._lock:
            return None if self._state is None else dict(self._state)

    def start(self, name: str, folder: Path, data: str | None = None, epochs: int | None = None) -> State:
        """Begin one. Raises `Error` while another one runs, and for an exercise that is not passed."""
        chosen = exercise(name)
        if progress.read(folder).state(chosen.name, folder) != "passed":
            raise Error(f"{chosen.name} is not passed yet: check it first")
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise Error("another training runs; stop it first, or wait until it ends")
            self._wanted.set()
            self._state = {
                "exercise": chosen.name, "part": chosen.training.part, "running": True, "facts": None, "apart": None,
                "epochs": [], "trained": None, "error": None,
            }  # fmt: skip
            self._thread = threading.Thread(
                target=self._train, args=(chosen.name, folder, data, epochs), name="learner's training", daemon=True
            )
            self._thread.start()
        return self.state or {}

    def stop(self) -> None:
        """Stop it, and wait until its process is gone."""
        self._wanted.clear()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=5)

    def _train(self, name: str, folder: Path, data: str | None, epochs: int | None) -> None:
        try:
            known = progress.read(folder)
            trained = attempts.trained(name, folder, known, data, epochs, self._heard, self._wanted.is_set)
            self._tell(
                running=False,
                trained={"accuracy": trained.accuracy, "right": trained.right, "tested": trained.tested,
                         "data": trained.data},
            )  # fmt: skip
        except Error as failure:
            stopped = not self._wanted.is_set()
            self._tell(running=False, error=None if stopped else str(failure))
        except Exception as failure:  # a mistake of ours must not leave a page waiting
            self._tell(running=False, error=f"{type(failure).__name__}: {failure}")
            raise

    def _heard(self, event: State) -> None:
        if "sizes" in event:
            self._tell(facts={name: event[name] for name in ("sizes", "data", "pictures", "epochs")})
        elif "apart" in event:
            self._tell(apart=event["apart"])
        elif "epoch" in event:
            with self._lock:
                before = (self._state or {}).get("epochs", [])
            self._tell(epochs=[*before, {name: event[name] for name in ("epoch", "accuracy", "seconds")}])

    def _tell(self, **news: Any) -> None:
        with self._lock:
            self._state = (self._state or {}) | news
            state = dict(self._state)
        self._publish(TOPIC, state)
