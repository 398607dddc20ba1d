"""The training loop, one for all systems: batch, loss, backward, clip, update, measure, save; and resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kqv.data.text.tokens import Advance
from kqv.errors import Error, RunError
from kqv.memory import keep_freed_memory
from kqv.sharded import whole
from kqv.tensors import Tensors, all_finite, put_weights
from kqv.threads import threads_for
from kqv.training.audience import Audience
from kqv.training.averaging import make_average
from kqv.training.best import goodness, require_score
from kqv.training.checkpoint import Checkpoint, Counters
from kqv.training.distributed import ALONE, Group
from kqv.training.optimizers import Optimizer
from kqv.training.pace import set_pace
from kqv.training.patience import Patience
from kqv.training.plans import TrainingPlan
from kqv.training.randomness import random_state, restore_random_state
from kqv.training.replay import first_fault
from kqv.training.run import Run
from kqv.training.signals import stop_signals
from kqv.training.stops import Diverged, Interrupted, Stopped, Unsaved
from kqv.training.storage import Storage
from kqv.training.task import Estimating, Listener, Remembering, Sampling, Task

__all__ = [
    "CHECKPOINT_SECONDS", "Diverged", "Interrupted", "Listener", "Result", "Stopped", "Task", "Trainer", "Unsaved",
]  # fmt: skip

CHECKPOINT_SECONDS = 20.0
REPORTS = 200  # training losses in metrics.jsonl, evenly over a run
STRIDE_SECONDS = 0.01


@dataclass
class Result:
    """How a training ended."""

    step: int
    seconds: float
    scores: dict[str, float]
    unscored: int = 0
    """Examples of the validation set that the scores leave out; they are of a sample then."""


class Trainer:
    """Trains a task in a run directory, from the start or from the run's checkpoint."""

    def __init__(
        self, task: Task, optimizer: Optimizer, plan: TrainingPlan, run: Run, listener: Listener | None = None,
        *, checkpoint_seconds: float = CHECKPOINT_SECONDS, group: Group = ALONE,
    ) -> None:  # fmt: skip
        if plan.steps is None:
            raise ValueError("the plan's steps are not resolved")
        require_score(plan.best_by, task.scores)
        self.task, self.optimizer, self.plan, self.run, self.group = task, optimizer, plan, run, group
        self.average = make_average(task.model, plan)
        self.storage = Storage(run, checkpoint_seconds)
        self.audience = Audience(listener if group.is_first else None, task.size)
        self.steps = plan.steps
        self.report_every = math.ceil(self.steps / REPORTS)
        self.step = 0
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.due = False  # the step is made, and has yet to be measured
        self.best: float | None = None
        self.lengthened = 0  # how often the run was given another number of steps
        self.patience = Patience(plan.early_stopping, plan.halvings, plan.best_by)
        self.also: Callable[[dict[str, Any]], None] | None = None  # told of each measurement, as metrics.jsonl is
        self._losses: list[Tensor] = []  # since the last report
        self._began = 0.0

    @property
    def saved(self) -> int:
        """The step whose state is saved."""
        return self.storage.saved

    @property
    def ended(self) -> bool:
        """Whether the last step is made and measured, or training is to stop early."""
        return not self.due and (self.step >= self.steps or self.patience.is_over)

    def train(self) -> Result:
        """Train to the last step.

        Raises `Interrupted` after Ctrl-C (everything is saved), `Diverged` when the loss is NaN or infinite, and
        `Unsaved` when the disk refuses (the state before is kept).
        """
        keep_freed_memory()
        alone, holding = self.group.size == 1, self.storage.holding() if self.group.is_first else nullcontext()
        with holding, threads_for(self.task.work), stop_signals(alone) as asked:
            self._begin()
            while not self.ended:
                scored = self._measure(asked) if self.due else self._stride(asked)
                self.seconds = time.monotonic() - self._began
                self.audience.see(self.step, self.scores if scored else None)
                if scored:
                    self._sample()
                stop, due = self.group.largest(asked(), self.ended or self.storage.is_due)
                if stop or due:
                    self.save()
                if stop and not self.ended:
                    raise self._interrupted(stop)
        return Result(self.step, self.seconds, self.scores, self._unscored)

    def _begin(self) -> None:
        if self.group.is_first:
            with self.storage.writing() as files:
                files.cut(self.step - self.due)
        self.audience.begin(self.step, self.steps)
        self.storage.saved_at = time.monotonic()
        self._began = self.storage.saved_at - self.seconds
        self.task.model.train()

    def _stride(self, asked: Callable[[], int]) -> bool:
        """A few quick steps or one slow one, up to an evaluation; True when there was one.

        What happens between steps then costs little also where a step takes microseconds. Several processes have to
        look up after each step together.
        """
        until = min(time.monotonic() + STRIDE_SECONDS, self.audience.due_at, self.storage.due_at)
        while True:
            self._advance()
            if self._measure(asked):
                return True
            if self.group.size > 1 or asked() or time.monotonic() >= until:
                return False

    def _advance(self) -> None:
        """One step: batch, loss, backward, clip, update."""
        set_pace(self.optimizer, self.plan, self.step, self.patience)
        loss = self.task.learn(self.task.batch(self.step))  # forward and backward
        self.optimizer.clip_gradients()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.average.after_step(self.step)
        loss = self.group.mean(loss.detach())
        self._losses.append(loss)
        self.audience.add(loss)

    def _measure(self, asked: Callable[[], int]) -> bool:
        """Record the training loss at fixed steps, and the scores at each epoch's end; True when it was scored.

        At fixed steps, so that a run that was killed and resumed has the same measurements as one that was not. All of
        a step is recorded after its evaluation: what stops in the midst of one measures the step again.
        """
        last = self.step == self.steps
        loss = None
        if last or self.step % self.report_every == 0:
            loss = float(torch.stack(self._losses).mean())
            self._require_finite(loss, "loss")
        scored = last or self.step % self.task.evaluate_every == 0
        if scored:
            self.due = True
            self.average.before_evaluation(self.step)
            with self.audience.pause(), self.average.in_use(), self.group.gathered(self.task.model):
                with torch.no_grad():
                    scores, over_all = self._evaluate(asked)
                monitored = self.task.monitor()
        if loss is not None:
            self._losses = []
            self._record({"loss": loss})
        if scored:
            self._record({f"validation_{name}": score for name, score in scores.items()} | monitored)
            if over_all:
                self._record({f"validation_{name}": score for name, score in over_all.items()})
            self.patience.see(scores)
            if self.plan.keep_best:
                self._keep_best(scores)
            self.scores = over_all or scores
            self.due = False
        return scored

    def _evaluate(self, asked: Callable[[], int]) -> tuple[dict[str, float], dict[str, float]]:
        """The scores that are compared with those of other steps, and where those are of a sample, after the last step
        the scores over all, if they cost little."""
        advance = self._looking_up(asked)
        scores, over_all = self.task.evaluate(advance), {}
        self._require_finite(scores["loss"], "validation loss")
        if self.step == self.steps and isinstance(self.task, Estimating) and self.task.ends_with_all(self.step):
            over_all = self.task.evaluate_all(advance)
        return scores, over_all

    def _looking_up(self, asked: Callable[[], int]) -> Advance:
        """What is done between two parts of an evaluation: save when it is time, stop when asked to."""
        show = self.audience.evaluation()

        def advance(done: int, whole: int) -> None:
            stop, overdue = self.group.largest(asked(), self.storage.is_due)
            if stop or overdue:
                with self.group.scattered(self.task.model):
                    self.save()
            if stop:
                raise self._interrupted(stop)
            show(done, whole)

        return advance

    def _record(self, numbers: dict[str, float]) -> None:
        if self.group.is_first:
            seconds = round(time.monotonic() - self._began, 3)
            content = {"step": self.step, "seconds": seconds, **numbers}
            with self.storage.writing() as files:
                files.add_metrics(content)
                if self.also is not None:
                    self.also(content)

    def _keep_best(self, scores: dict[str, float]) -> None:
        """Write the weights if no evaluation before had a score as good as theirs."""
        name = self.plan.best_by or "loss"
        score = scores[name]
        if self.best is not None and goodness(score, name) <= goodness(self.best, name):
            return
        weights = _whole(self.average.weights)
        if not all_finite(weights):
            raise self._diverged("the weights are not finite")
        self.best = score
        if self.group.is_first:
            with self.audience.pause(), self.storage.writing() as files:
                files.write_weights(weights, best=True)

    def _sample(self) -> None:
        """Let the model write a little, for who watches and for samples.jsonl."""
        if not self.plan.sample_tokens or not isinstance(self.task, Sampling):
            return
        with self.audience.pause(), self.average.in_use(), self.group.gathered(self.task.model):
            text = self.task.sample(self.plan.sample_tokens) if self.group.is_first else ""
            if not text:  # the text ended at once
                return
            with self.storage.writing() as files:
                files.add_sample({"step": self.step, "text": text})
        self.audience.see_sample(self.step, text)

    def save(self) -> None:
        """Write the weights, then the checkpoint; each file changes in one step.

        In this order a kill between the two leaves weights that are newer than the checkpoint, and resuming writes them
        again. `Diverged` when weights or losses are NaN or infinite: such a state is never saved.
        """
        began = time.monotonic()
        own, weights = _whole(self.average.own), _whole(self.average.weights)
        average, optimizer = _whole(self.average.state()), _whole(self.optimizer.state())
        losses = torch.stack(self._losses) if self._losses else torch.empty(0)
        if not all(map(all_finite, (own, weights, average, optimizer, {"losses": losses}))):
            raise self._diverged("the weights or the loss are not finite")
        task = self.task.state() if isinstance(self.task, Remembering) else {}
        random, counters = random_state(self.group.device, self.group)
        if self.group.is_first:
            with self.audience.pause(), self.storage.writing() as files:
                files.write_weights(weights)
                files.write_checkpoint(Checkpoint(
                    Counters(
                        step=self.step, seconds=self.seconds, scores=self.scores, random=counters,
                        patience=self.patience.state, best=self.best, due=self.due, lengthened=self.lengthened,
                    ),
                    own, optimizer, random, losses, task, average,
                ))  # fmt: skip
        self.storage.note_saved(self.step, began)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Put back weights, optimizer, random generators and counters where the run's checkpoint left them.

        Raises `RunError` when it is damaged or of another model.
        """
        path, counters = self.run.checkpoint_file, checkpoint.counters
        put_weights(self.task.model, checkpoint.model, str(path))
        self.average.restore(checkpoint.average, str(path))
        self.optimizer.restore(checkpoint.optimizer, str(path))
        if isinstance(self.task, Remembering):
            self.task.restore(checkpoint.task, str(path))
        restore_random_state(checkpoint.random, counters.random, self.group.device, path, self.group)
        if checkpoint.losses.dim() != 1 or not all_finite({"losses": checkpoint.losses}):
            raise RunError(f"{path} is damaged: losses is not a row of numbers; restore it from a copy, or train again")
        self.storage.identity = self.run.identity
        self._losses = list(checkpoint.losses.to(self.group.device).unbind())
        self.step, self.due = counters.step, counters.due
        self.storage.saved = self.step
        self.seconds, self.scores = counters.seconds, counters.scores
        self.patience.state = counters.patience
        self.best = counters.best if self.run.best_file.is_file() else None

    def _interrupted(self, signal: int) -> Interrupted:
        return Interrupted(f"stopped at step {self.step:,} of {self.steps:,}", self.saved, signal)

    @property
    def _unscored(self) -> int:
        if not isinstance(self.task, Estimating) or "tokens" not in self.scores:
            return 0
        return self.task.held_out - round(self.scores["tokens"])

    def _require_finite(self, number: float, what: str) -> None:
        if not math.isfinite(number):
            raise self._diverged(f"the {what} is {'NaN' if math.isnan(number) else 'infinite'}")

    def _diverged(self, what: str) -> Diverged:
        at, cause = self.step, self._cause() if self.group.size == 1 else None
        first = "" if cause is None else f": the first value that is not finite is in {cause}"
        return Diverged(
            f"{what}{first}, at step {at:,}; the last good state, of step {self.saved:,}, is kept in {self.run.path}: "
            "try another seed, or a recipe with a smaller learning rate",
            self.saved,
        )

    def _cause(self) -> str | None:
        """Where the first value became infinite or NaN, found by making the steps since the checkpoint again; None
        where they do not show it."""
        failed = self.step
        bad = [number for number, loss in enumerate(self._losses) if not bool(loss.isfinite())]
        suspect = failed - len(self._losses) + bad[0] if bad else failed
        try:
            self.resume(Checkpoint.read(self.run.checkpoint_file, self.storage.identity))
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


def _whole(tensors: Tensors) -> Tensors:
    """Each tensor with the rows of all processes, which have to ask together."""
    return {name: whole(tensor) for name, tensor in tensors.items()}
