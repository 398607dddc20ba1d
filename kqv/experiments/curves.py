"""Learning curves of runs: measurements by epoch, of one run or of the same variant with several seeds."""

from __future__ import annotations

from kqv.plots.curves import Curves
from kqv.systems.system import system_named
from kqv.training.run import Run


def curves_of(run: Run, label: str) -> Curves:
    """A run's measurements by epoch."""
    epoch = system_named(run.recipe.system).epoch(run)
    return Curves(label, [{**line, "epoch": line["step"] / epoch} for line in run.metrics()])
