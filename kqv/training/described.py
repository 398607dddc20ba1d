"""A run in a few words and numbers, as lists of runs have it."""

from __future__ import annotations

from typing import Any

from kqv.errors import Error, RunError
from kqv.training.run import Run
from kqv.training.standing import standing_of

_MEASURED = ("step", "seconds", "validation_loss", "validation_accuracy", "validation_bleu", "validation_exact_match")


def describe_run(run: Run) -> dict[str, Any]:
    """One run as a row; a damaged run says what is wrong with it instead of hiding the others."""
    row: dict[str, Any] = {"run": str(run.path), "step": 0, "seconds": 0.0}
    try:
        recipe = run.recipe
        measured: dict[str, Any] = {}
        for line in run.each_measurement():
            measured |= {key: line[key] for key in _MEASURED if key in line}
    except Error as failure:
        return row | {"state": "damaged", "problem": str(failure)}
    row |= {
        "system": recipe.system,
        "recipe": recipe.name,
        "data": recipe.data.name,
        "steps": recipe.training.steps or 0,
    }
    row |= measured
    try:
        standing = standing_of(run)
    except RunError as failure:
        return row | {"state": "damaged", "problem": str(failure)}
    if standing.state == "training":
        return row | {"state": "training"}
    return row | {"step": standing.step, "state": standing.state}
