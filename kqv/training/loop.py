"""The training loop, one for all systems: batch, loss, backward, update; measurements, checkpoints, going on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kqv.errors import Error, RunError
from kqv.files import remove_leftovers
from kqv.memory import keep_freed_memory
from kqv.tensors import all_finite, put_weights, weights_of, write_tensors
from kqv.threads import threads_for
from kqv.training.checkpoint import Checkpoint, Counters
from kqv.training.distributed import ALONE, Group
from kqv.training.endings import Diverged, Interrupted, Stopped, Unsaved
from kqv.training.optimizers import Optimizer
from kqv.training.patience import Patience
from kqv.training.plans import TrainingPlan
from kqv.training.randomness import random_state, restore_random_state
from kqv.training.replay import first_fault
from kqv.training.run import Run
from kqv.training.schedules import share
from kqv.training.signals import stop_signals
from kqv.training.task import Listener, Remembering, SampleListener, Sampling, Task

__all__ = [
    "CHECKPOINT_SECONDS", "Diverged", "Interrupted", "Listener", "Result", "Stopped", "Task", "Trainer", "Unsaved",
]  # fmt: skip

CHECKPOINT_SECONDS = 20.0
REPORTS = 200  # training losses in metrics.jsonl, evenly over a run
SHOW_SECONDS = 0.2
STRIDE_SECONDS = 0.01


@dataclass
class Result:
    """How a training ended."""

    step: int
    seconds: float
    scores: dict[str, float]


class Trainer:
    """Trains a task in a run directory, from the start or from the run's checkpoint."""

    def __init__(
        self, task: Task, optimizer: Optimizer, plan: TrainingPlan, run: Run, listener: Listener | None = None,
        *, checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group = ALONE,
    ) -> None:  # fmt: skip
        if plan.steps is None:
            raise ValueError("the plan's steps are not resolved")
        self.task, self.optimizer, self.plan, self.run, self.listener = task, optimizer, plan, run, listener
        self.checkpoint_seconds, self.group = checkpoint_seconds, group
        self.steps = plan.steps
        self.report_every = math.ceil(self.steps / REPORTS)
        self.step = self.saved = 0
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.best: float | None = None
        self.patience = Patience(plan.early_stopping, plan.halvings)
        self.also: Callable[[dict[str, Any]], None] | None = None  # told of each measurement, as metrics.jsonl is
        self._losses: list[Tensor] = []  # since the last report
        self._unshown: list[Tensor] = []  # since the listener was last told
        self._shown_step = 0
        self._began = self._shown_at = self._saved_at = 0.0

    def train(self) -> Result:
        """Train to the last step.

        Raises `Interrupted` after Ctrl-C (everything is saved), `Diverged` when the loss is no number any more, and
        `Unsaved` when the disk refuses (the state before is kept).
        """
        keep_freed_memory()
        alone, first = self.group.size == 1, self.group.is_first
        with self.run.locked() if first else nullcontext(), threads_for(self.task.work), stop_signals(alone) as asked:
            self._begin()
            while not self.ended:
                scored = self._stride(asked)
                self.seconds = time.monotonic() - self._began
                self._show(scored)
                overdue = time.monotonic() - self._saved_at >= self.checkpoint_seconds
                stop, due = self.group.largest(asked(), self.ended or overdue)
                if stop or due:
                    self.save()
                if stop and not self.ended:
                    raise Interrupted(f"stopped at step {self.step:,} of {self.steps:,}", self.saved, stop)
        return Result(self.step, self.seconds, self.scores)

    def _begin(self) -> None:
        if self.group.is_first:
            remove_leftovers(self.run.path)
            with self._writing():
                self.run.cut_metrics(self.step)
                self.run.cut_samples(self.step)
            if self.listener is not None:
                self.listener.started(self.step, self.steps)
        now = time.monotonic()
        self._began, self._shown_at, self._saved_at, self._shown_step = now - self.seconds, now, now, self.step
        self.task.model.train()

    @property
    def ended(self) -> bool:
        """Whether the last step is made, or training is to stop early."""
        return self.step >= self.steps or self.patience.is_over

    def _stride(self, asked: Callable[[], int]) -> bool:
        """A few quick steps or one slow one, up to an evaluation; True when there was one.

        What happens between steps then costs little also where a step takes microseconds. Several processes have to
        look up after each step together.
        """
        until = min(
            time.monotonic() + STRIDE_SECONDS, self._shown_at + SHOW_SECONDS, self._saved_at + self.checkpoint_seconds
        )
        while True:
            self._advance()
            if self._measure():
                return True
            if self.group.size > 1 or asked() or time.monotonic() >= until:
                return False

    def _advance(self) -> None:
        """One step: loss, backward, update."""
        plan = self.plan
        rate = share(plan.schedule, self.step, self.steps, plan.warm_up, plan.floor, plan.decay)
        self.optimizer.set_share(rate * self.patience.share)
        loss = self.task.learn(self.task.batch(self.step))
        if plan.clip is not None:
            nn.utils.clip_grad_norm_(self.optimizer.parameters(), plan.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        loss = self.group.mean(loss.detach())
        self._losses.append(loss)
        self._unshown.append(loss)

    def _measure(self) -> bool:
        """Record the training loss at fixed steps, and the scores at each epoch's end; True when it was scored.

        At fixed steps, so that a run that was killed and went on has the same measurements as one that was not.
        """
        last = self.step == self.steps
        if last or self.step % self.report_every == 0:
            loss = float(torch.stack(self._losses).mean())
            self._require_finite(loss, "loss")
            self._losses = []
            self._record({"loss": loss})
        if not last and self.step % self.task.evaluate_every:
            return False
        with self._pause():
            with torch.no_grad():
                self.scores = self.task.evaluate()
            monitored = self.task.monitor()
        self._require_finite(self.scores["loss"], "validation loss")
        self._record({f"validation_{name}": score for name, score in self.scores.items()} | monitored)
        self.patience.see(self.scores)
        if self.plan.keep_best:
            self._keep_best(self.scores["loss"])
        return True

    def _keep_best(self, loss: float) -> None:
        """Write the weights with the lowest validation loss so far."""
        if self.best is not None and loss >= self.best:
            return
        weights = weights_of(self.task.model)
        if not all_finite(weights):
            raise self._diverged("the weights are no finite numbers any more")
        self.best = loss
        if self.group.is_first:
            with self._pause(), self._writing():
                write_tensors(self.run.best_file, weights)

    def _sample(self) -> None:
        """Let the model write a little, for who watches and for samples.jsonl."""
        if not self.plan.sample_tokens or not self.group.is_first or not isinstance(self.task, Sampling):
            return
        with self._pause():
            text = self.task.sample(self.plan.sample_tokens)
            if not text:  # the text ended at once
                return
            with self._writing():
                self.run.add_sample({"step": self.step, "text": text})
        if isinstance(self.listener, SampleListener):
            self._tell(self.listener.sampled, self.step, text)

    def _record(self, numbers: dict[str, float]) -> None:
        if self.group.is_first:
            seconds = round(time.monotonic() - self._began, 3)
            content = {"step": self.step, "seconds": seconds, **numbers}
            with self._writing():
                self.run.add_metrics(content)
                if self.also is not None:
                    self.also(content)

    def _show(self, scored: bool) -> None:
        """Tell the listener, a few times a second."""
        now = time.monotonic()
        if not scored and now - self._shown_at < SHOW_SECONDS:
            return
        if self.listener is not None and self.group.is_first:
            loss = float(torch.stack(self._unshown).mean())
            examples = sum(self.task.size(step) for step in range(self._shown_step, self.step))
            self._tell(self.listener.stepped, self.step, loss, examples / max(now - self._shown_at, 1e-9))
            if scored:
                self._tell(self.listener.evaluated, self.step, self.scores)
        if scored:
            self._sample()
        self._unshown, self._shown_step, self._shown_at = [], self.step, now

    def _tell(self, listener: Callable[..., None], *news: Any) -> None:
        try:
            listener(*news)
        except (Exception, SystemExit):  # rich exits when the reader of its output went away
            if self.group.size == 1:  # several processes can only save together
                self.save()
            raise

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """What happens inside does not count when steps are timed for the listener."""
        began = time.monotonic()
        yield
        self._shown_at += time.monotonic() - began

    def _require_finite(self, number: float, what: str) -> None:
        if not math.isfinite(number):
            raise self._diverged(f"the {what} became {number}")

    def _diverged(self, what: str) -> Diverged:
        at, cause = self.step, self._cause() if self.group.size == 1 else None
        first = "" if cause is None else f": the first number that is none is in {cause}"
        return Diverged(
            f"{what}{first}, at step {at:,}; the last good state, of step {self.saved:,}, is kept in {self.run.path}: "
            "try another seed, or a recipe with a smaller learning rate",
            self.saved,
        )

    def _cause(self) -> str | None:
        """Where the first number became infinite or none, found by making the steps since the checkpoint again; None
        where they do not show it."""
        failed = self.step
        bad = [number for number, loss in enumerate(self._losses) if not bool(loss.isfinite())]
        suspect = failed - len(self._losses) + bad[0] if bad else failed
        try:
            self.resume(Checkpoint.read(self.run.checkpoint_file))
            while self.step < failed:
                if self.step < suspect - 1:  # its loss was a number, and so was the next one: all went well
                    self._advance()
                    continue
                found = first_fault(self.task, self.optimizer.named, self.step, self._advance)
                if found is not None:
                    return found
        except Error:
            pass
        finally:
            self.step = failed
        return None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The disk's refusal as `Unsaved`, which says what is kept."""
        try:
            yield
        except Error as failure:
            raise Unsaved(
                f"{failure}; the state of step {self.saved:,} is kept in {self.run.path}", self.saved
            ) from None

    def save(self) -> None:
        """Write the weights, then the checkpoint; each file changes in one step.

        In this order a kill between the two leaves weights that are newer than the checkpoint, and going on writes them
        again. `Diverged` when weights or losses are no numbers: such a state is never written.
        """
        weights, optimizer = weights_of(self.task.model), self.optimizer.state()
        losses = torch.stack(self._losses) if self._losses else torch.empty(0)
        if not all_finite({**weights, **optimizer, "losses": losses}):
            raise self._diverged("the weights or the loss are no finite numbers any more")
        task = self.task.state() if isinstance(self.task, Remembering) else {}
        random, counters = random_state(self.group.device, self.group)
        if self.group.is_first:
            with self._pause(), self._writing():
                write_tensors(self.run.model_file, weights)
                Checkpoint(
                    Counters(
                        step=self.step, seconds=self.seconds, scores=self.scores, random=counters,
                        patience=self.patience.state, best=self.best,
                    ),
                    weights, optimizer, random, losses, task,
                ).write(self.run.checkpoint_file)  # fmt: skip
        self.saved = self.step
        self._saved_at = time.monotonic()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take up weights, optimizer, random generators and counters where the run's checkpoint left them.

        Raises `RunError` when it is damaged or of another model.
        """
        path, counters = self.run.checkpoint_file, checkpoint.counters
        put_weights(self.task.model, checkpoint.model, str(path))
        self.optimizer.restore(checkpoint.optimizer, str(path))
        if isinstance(self.task, Remembering):
            self.task.restore(checkpoint.task, str(path))
        restore_random_state(checkpoint.random, counters.random, self.group.device, path, self.group)
        if checkpoint.losses.dim() != 1 or not all_finite({"losses": checkpoint.losses}):
            raise RunError(f"{path} is damaged: losses are no row of numbers; restore it from a copy, or train again")
        self._losses = list(checkpoint.losses.to(self.group.device).unbind())
        self.step = self.saved = counters.step
        self.seconds, self.scores = counters.seconds, counters.scores
        self.patience.state = counters.patience
        self.best = counters.best if self.run.best_file.is_file() else None
