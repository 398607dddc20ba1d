"""Which of two evaluations was better: by the score that the recipe chose."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kqv.errors import Error

LESS_IS_BETTER = frozenset({"loss", "perplexity", "bits_per_byte"})
"""Of every other score, more is better."""


def goodness(score: float, name: str) -> float:
    """A score as a number of which more is better, whatever the score: where less of it is, its negative."""
    return -score if name in LESS_IS_BETTER else score


def stopping_score(scores: Mapping[str, float], chosen: str | None) -> str:
    """The score that early stopping looks at: the chosen one, else the accuracy where there is one, else the loss."""
    return chosen or ("accuracy" if "accuracy" in scores else "loss")


def require_score(chosen: str | None, known: Collection[str]) -> None:
    """Raise `Error` for a chosen score that the task's evaluation does not give."""
    if chosen is not None and chosen not in known:
        raise Error(
            f"the recipe's best_by is {chosen!r}, but an evaluation of this model gives {', '.join(known)}; choose one "
            "of these, or leave best_by out"
        )
