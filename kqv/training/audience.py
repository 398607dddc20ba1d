"""Who watches a training: told of its steps, scores and samples a few times a second, which never ends the training."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from kqv.data.text.tokens import Advance
from kqv.training.task import EvaluationListener, Listener, SampleListener
from kqv.visible import visible

SHOW_SECONDS = 0.2

_log = logging.getLogger(__name__)


class Audience:
    """A training's listener, if it has one; `size` says how many examples a step sees."""

    def __init__(self, listener: Listener | None, size: Callable[[int], int]) -> None:
        self.listener, self.size = listener, size
        self._losses: list[Tensor] = []  # since it was last told
        self._told_step = 0
        self._told_at = 0.0
        self._noted = False

    @property
    def due_at(self) -> float:
        """When it is to be told again, by the clock `time.monotonic`."""
        return self._told_at + SHOW_SECONDS

    def begin(self, step: int, steps: int) -> None:
        """Training begins at `step` of `steps`."""
        if self.listener is not None:
            self._tell(self.listener.started, step, steps)
        self._told_step, self._told_at = step, time.monotonic()

    def add(self, loss: Tensor) -> None:
        """Take note of a step's loss; it is not read before somebody is told, for which a GPU has to be waited for."""
        self._losses.append(loss)

    def see(self, step: int, scores: dict[str, float] | None) -> None:
        """Tell of the steps up to `step` when it is time, and at once when there are `scores`."""
        now = time.monotonic()
        if scores is None and now < self.due_at:
            return
        if self.listener is not None and self._losses:
            loss = float(torch.stack(self._losses).mean())
            examples = sum(self.size(number) for number in range(self._told_step, step))
            self._tell(self.listener.stepped, step, loss, examples / max(now - self._told_at, 1e-9))
        if self.listener is not None and scores is not None:
            self._tell(self.listener.evaluated, step, scores)
        self._losses, self._told_step, self._told_at = [], step, now

    def see_sample(self, step: int, text: str) -> None:
        """Tell of what the model wrote."""
        if isinstance(self.listener, SampleListener):
            self._tell(self.listener.sampled, step, text)

    def evaluation(self) -> Advance:
        """What is told how far an evaluation is that begins now."""
        told_at = time.monotonic()

        def advance(done: int, whole: int) -> None:
            nonlocal told_at
            now = time.monotonic()
            if now - told_at >= SHOW_SECONDS and isinstance(self.listener, EvaluationListener):
                self._tell(self.listener.evaluating, done, whole)
                told_at = now

        return advance

    @contextmanager
    def pause(self) -> Iterator[None]:
        """What happens inside does not count when steps are timed for the listener."""
        began = time.monotonic()
        yield
        self._told_at += time.monotonic() - began

    def _tell(self, listener: Callable[..., None], *news: Any) -> None:
        """What is only shown may not end a training: its failure is noted once."""
        try:
            listener(*news)
        except (Exception, SystemExit) as failure:  # rich exits when the reader of its output went away
            if not self._noted:
                self._noted = True
                what = visible(f"{type(failure).__name__}: {failure}")
                _log.warning("what shows this training failed (%s); the training continues", what)
