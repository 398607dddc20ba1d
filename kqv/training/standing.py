"""How a run stands: whether it trains, is finished, or stopped on the way, and whether that was on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kqv.errors import RunError
from kqv.training.checkpoint import Checkpoint
from kqv.training.run import Run

State = Literal["training", "finished", "stopped"]


@dataclass(frozen=True)
class Standing:
    """A run's state, and the step that is saved."""

    state: State
    step: int


def standing_of(run: Run) -> Standing:
    """How a run stands by its checkpoint and by who holds it; `RunError` where it is damaged."""
    counters, plan = Checkpoint.read_counters(run.checkpoint_file), run.recipe.training
    if not run.model_file.is_file():
        raise RunError(f"{run.model_file} is missing")
    if run.is_training:
        return Standing("training", counters.step)
    stopped_early = plan.early_stopping and counters.patience.waited >= plan.early_stopping
    is_over = (stopped_early or counters.step >= (plan.steps or 0)) and not counters.due
    return Standing("finished" if is_over else "stopped", counters.step)
