"""Early stopping: when training no longer improves on the validation set, it stops, or slows down first."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import FiniteFloat, NonNegativeInt

from kqv.training.best import goodness, stopping_score
from kqv.training.plans import Plan


class PatienceState(Plan):
    """What has to be remembered between two evaluations: the best score so far (its negative, where less is better),
    and how long ago it was."""

    best: FiniteFloat | None = None
    waited: NonNegativeInt = 0
    halved: NonNegativeInt = 0


class Patience:
    """Over after so many evaluations without a better score; with `halvings`, the learning rate is halved so often
    before (Nielsen ch. 3, "How to choose a neural network's hyper-parameters?"). Without a number it is never over.

    The score is the one of `best_by`; where none is chosen the accuracy if there is one, else the loss.
    """

    def __init__(self, evaluations: int | None, halvings: int = 0, best_by: str | None = None) -> None:
        self.evaluations, self.halvings, self.best_by = evaluations, halvings, best_by
        self.state = PatienceState()

    def see(self, scores: Mapping[str, float]) -> None:
        """Take note of an evaluation's scores."""
        name, state = stopping_score(scores, self.best_by), self.state
        score = goodness(scores[name], name)
        if state.best is None or score > state.best:
            self.state = state.model_copy(update={"best": score, "waited": 0})
        elif self.evaluations and state.waited + 1 >= self.evaluations and state.halved < self.halvings:
            self.state = state.model_copy(update={"waited": 0, "halved": state.halved + 1})
        else:
            self.state = state.model_copy(update={"waited": state.waited + 1})

    @property
    def is_over(self) -> bool:
        """Whether to stop."""
        return bool(self.evaluations) and self.state.waited >= (self.evaluations or 0)

    @property
    def share(self) -> float:
        """The share of the learning rate that the halvings left."""
        return 0.5**self.state.halved
