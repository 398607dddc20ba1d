"""The training loop, one for all systems: batch, loss, backward, update; measurements, checkpoints, going on."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from kqv.errors import Error, RunError
from kqv.training.checkpoint import (
    put_weights,
    random_state,
    read_tensors,
    restore_random_state,
    weights_of,
    write_tensors,
)
from kqv.training.optimizers import Optimizer
from kqv.training.recipes import TrainingPlan
from kqv.training.run import Run
from kqv.training.schedules import share

CHECKPOINT_SECONDS = 20.0


class Task(Protocol):
    """What is trained on what: the model, its batches by step, its loss, and its evaluation on the validation set."""

    model: nn.Module
    unit: str  # what a batch counts: pictures, tokens
    steps_per_epoch: int

    def batch(self, step: int) -> Any:
        """The batch of step number `step` (from 0): a fixed function of it and of the random generators."""

    def size(self, batch: Any) -> int:
        """How many units a batch has."""

    def loss(self, batch: Any) -> Tensor:
        """The mean loss of a batch."""

    def evaluate(self) -> dict[str, float]:
        """Scores over the whole validation set, `loss` among them."""


class Listener(Protocol):
    """Who watches a training: the command line's progress display, a notebook, a test."""

    def started(self, step: int, steps: int) -> None:
        """Training begins at `step` of `steps`."""

    def stepped(self, step: int, loss: float, rate: float) -> None:
        """Steps were made: the mean loss since the last call, and units a second."""

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        """The validation set was scored."""


class Silent:
    """A listener that shows nothing."""

    def started(self, step: int, steps: int) -> None:
        """Nothing."""

    def stepped(self, step: int, loss: float, rate: float) -> None:
        """Nothing."""

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        """Nothing."""


class Interrupted(Error):
    """Training was stopped by the user; everything is saved."""


class Diverged(Error):
    """The loss is no longer a number; the last good state is kept."""


@dataclass
class Result:
    """How a training ended."""

    step: int
    seconds: float
    scores: dict[str, float]


@contextmanager
def _stop_requested() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a question that the loop asks after each step; a second Ctrl-C stops at once."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield asked.is_set
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Trainer:
    """Trains a task in a run directory, from the start or from the run's checkpoint."""

    def __init__(
        self, task: Task, optimizer: Optimizer, plan: TrainingPlan, run: Run, listener: Listener | None = None
    ) -> None:
        if plan.steps is None:
            raise ValueError("the plan's steps are not resolved")
        self.task, self.optimizer, self.plan, self.run = task, optimizer, plan, run
        self.steps = plan.steps
        self.listener: Listener = listener or Silent()
        self.step = 0
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self._saved_at = time.monotonic()

    def train(self) -> Result:
        """Train to the last step; raise `Interrupted` after Ctrl-C (all is saved), `Diverged` when the loss is no number."""
        self.listener.started(self.step, self.steps)
        self._saved_at = last = time.monotonic()
        losses: list[Tensor] = []
        units, reported = 0, self._next_report(last)
        evaluate_every = min(self.task.steps_per_epoch, max(1, self.steps))
        with _stop_requested() as stopping:
            while self.step < self.steps:
                batch = self.task.batch(self.step)
                losses.append(self._advance(batch))
                units += self.task.size(batch)
                now = time.monotonic()
                epoch_ends = self.step % evaluate_every == 0 or self.step == self.steps
                if now >= reported or epoch_ends or stopping():
                    self.seconds += now - last
                    self._report(losses, units / max(now - last, 1e-9))
                    losses, units, last, reported = [], 0, now, self._next_report(now)
                if epoch_ends:
                    self._evaluate()
                    last = time.monotonic()
                if stopping() and self.step < self.steps:
                    self.save()
                    raise Interrupted(f"stopped at step {self.step} of {self.steps}; everything is saved")
                if epoch_ends and self.step == self.steps or now - self._saved_at > CHECKPOINT_SECONDS:
                    self.save()
        return Result(self.step, self.seconds, self.scores)

    @staticmethod
    def _next_report(now: float) -> float:
        return now + 0.5

    def _advance(self, batch: Any) -> Tensor:
        """One step: loss, backward, update."""
        plan = self.plan
        self.task.model.train()
        self.optimizer.set_share(share(plan.schedule, self.step, self.steps, plan.warm_up, plan.floor))
        loss = self.task.loss(batch)
        loss.backward()
        if plan.clip is not None:
            nn.utils.clip_grad_norm_(self.optimizer.parameters(), plan.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return loss.detach()

    def _report(self, losses: list[Tensor], rate: float) -> None:
        loss = float(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise Diverged(
                f"the loss became {loss} at step {self.step}; the last good state is kept in {self.run.path}: "
                "try a smaller learning rate or another seed"
            )
        self.run.add_metrics({"step": self.step, "loss": loss, "seconds": round(self.seconds, 3), "rate": round(rate, 1)})
        self.listener.stepped(self.step, loss, rate)

    def _evaluate(self) -> None:
        self.task.model.eval()
        with torch.no_grad():
            self.scores = self.task.evaluate()
        named = {f"validation_{name}": score for name, score in self.scores.items()}
        self.run.add_metrics({"step": self.step, "seconds": round(self.seconds, 3), **named})
        self.listener.evaluated(self.step, self.scores)

    def save(self) -> None:
        """Write the checkpoint, then the weights; each file changes in one step."""
        weights = weights_of(self.task.model)
        random_tensors, random_counters = random_state()
        tensors = {f"model/{name}": tensor for name, tensor in weights.items()}
        tensors |= {f"optimizer/{name}": tensor for name, tensor in self.optimizer.state().items()}
        header = {"step": self.step, "seconds": self.seconds, "scores": self.scores, "random": random_counters}
        write_tensors(self.run.checkpoint_file, tensors | random_tensors, header)
        write_tensors(self.run.model_file, weights)
        self._saved_at = time.monotonic()

    def resume(self) -> None:
        """Take up weights, optimizer, random generators and counters where the run's checkpoint left them.

        A run that was stopped before its first checkpoint starts again from its seed. `RunError` when damaged.
        """
        if not self.run.checkpoint_file.exists():
            self.run.cut_metrics(-1)
            return
        tensors, header = read_tensors(self.run.checkpoint_file)
        origin = str(self.run.checkpoint_file)
        try:
            step, seconds, scores, counters = (header[key] for key in ("step", "seconds", "scores", "random"))
        except KeyError as failure:
            raise RunError(f"{origin} lacks {failure} in its header; restore it from a copy, or train again") from None
        put_weights(self.task.model, _under("model/", tensors), origin)
        self.optimizer.restore(_under("optimizer/", tensors))
        restore_random_state(tensors, counters)
        self.step, self.seconds, self.scores = step, seconds, scores
        self.run.cut_metrics(step)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
