"""What a training asks of others: the task that is trained, and who watches."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from kqv.data.text.tokens import Advance
from kqv.tensors import Tensors


class Task(Protocol):
    """What is trained on what: the model, its batches by step, its loss, and its evaluation on the validation set."""

    evaluate_every: int
    """So many steps lie between evaluations."""

    epoch: float
    """In so many steps as many examples are seen as there are."""

    work: int
    """How much a step computes: weights times examples."""

    @property
    def model(self) -> nn.Module:
        """What learns."""

    @property
    def scores(self) -> tuple[str, ...]:
        """What an evaluation gives that the best can be chosen by, `loss` among them."""

    def size(self, step: int) -> int:
        """How many examples step number `step` (from 0) sees, in all processes together."""

    def batch(self, step: int) -> Any:
        """This process's part of the step's examples: a fixed function of the step and the random generators."""

    def learn(self, batch: Any) -> Tensor:
        """The batch's loss, with its gradients in the parameters' `grad` (None where the step is to be left out).

        The loss's mean over all processes is the mean over the step's examples.
        """

    def evaluate(self, advance: Advance | None = None) -> dict[str, float]:
        """Scores over the validation set (of a large one, see `Estimating`), `loss` among them.

        `advance` is told between two parts how much is scored of how much; what it raises ends the evaluation.
        """

    def monitor(self) -> dict[str, float]:
        """What else the recipe wants to be measured at each evaluation, by its name in metrics.jsonl."""


@runtime_checkable
class Estimating(Protocol):
    """A task that may score a fixed sample in place of a large validation set: always the same part, so that the
    scores of two steps can be compared."""

    evaluated: int
    """How many examples an evaluation scores."""

    held_out: int
    """How many there are."""

    def evaluate_less(self, examples: int) -> None:
        """Score about so many from now on, where a sample is scored at all."""

    def ends_with_all(self, steps: int) -> bool:
        """Whether, after so many steps, all are scored at the end: where that costs little beside the training."""

    def evaluate_all(self, advance: Advance | None = None) -> dict[str, float]:
        """Scores over all, as `evaluate`."""


@runtime_checkable
class Sampling(Protocol):
    """A task that can show what its model makes."""

    def sample(self, tokens: int) -> str:
        """A short text by the model as it is now; no random generator is touched."""


@runtime_checkable
class Remembering(Protocol):
    """A task with a state of its own that a checkpoint has to keep."""

    def state(self) -> Tensors:
        """The state as named tensors."""

    def restore(self, state: Tensors, origin: str) -> None:
        """Put back a state that `state` gave; `RunError` when it is none."""


@runtime_checkable
class Counting(Protocol):
    """A task that tells how much its steps compute."""

    flops: int
    """Floating-point operations of a step, in all processes together."""

    def size(self, step: int) -> int:
        """How many examples a step sees."""


class Listener(Protocol):
    """Who watches a training: the command line's progress display, a notebook, a test.

    What it raises is noted once in the log (of Python's `logging`) and goes no further: what is only shown does not
    end a training. Ctrl-C does.
    """

    def started(self, step: int, steps: int) -> None:
        """Training begins at `step` of `steps`."""

    def stepped(self, step: int, loss: float, rate: float) -> None:
        """Steps were made: the mean loss since the last call, and examples a second."""

    def evaluated(self, step: int, scores: dict[str, float]) -> None:
        """The validation set was scored."""


@runtime_checkable
class EvaluationListener(Protocol):
    """A listener that is also told how far an evaluation is."""

    def evaluating(self, done: int, whole: int) -> None:
        """So many examples are scored, of so many."""


@runtime_checkable
class SampleListener(Protocol):
    """A listener that is also shown what the model makes."""

    def sampled(self, step: int, text: str) -> None:
        """The model wrote a text."""
