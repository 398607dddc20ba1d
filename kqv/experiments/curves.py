"""Learning curves of runs: measurements by epoch, of one run or of the same variant with several seeds."""

from __future__ import annotations

from kqv.plots.curves import Curves
from kqv.systems.system import system_named
from kqv.training.lines import thinned
from kqv.training.run import Run

MOST = 20_000
"""Lines of a kind of which a curve is drawn: more than any figure has pixels."""


def curves_of(run: Run, label: str) -> Curves:
    """A run's measurements by epoch."""
    epoch = system_named(run.recipe.system).epoch(run)
    lines = thinned(run.each_measurement(), MOST)
    return Curves(label, [{**line, "epoch": line["step"] / epoch} for line in lines])
